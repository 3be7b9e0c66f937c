package train

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mobilellm/device"
	"mobilellm/engine"
)

// Network is what joins the machines of a run's ranks, one rank on each.
type Network struct {
	BitsPerSecond float64       // that a rank sends and, at the same time, receives
	Latency       time.Duration // of a message
}

// networkUnits are those of tc(8) and ethtool(8).
var networkUnits = []struct {
	name  string
	times float64
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}}

// defaultLatency is that of a message over TCP in one room.
const defaultLatency = 50 * time.Microsecond

// ParseNetwork reads RATE or RATE,LATENCY, such as 10Gbit or 100Mbit,200us.
func ParseNetwork(text string) (Network, error) {
	rate, latency, found := strings.Cut(text, ",")
	n := Network{Latency: defaultLatency}
	for _, u := range networkUnits {
		number, ok := strings.CutSuffix(strings.TrimSuffix(strings.ToLower(rate), "/s"), u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v > 0) || v > 1e9 {
			break
		}
		n.BitsPerSecond = v * u.times
	}
	if n.BitsPerSecond == 0 {
		return n, fmt.Errorf("network (%q) must be a rate such as 10Gbit or 100Mbit, with a latency or without: 10Gbit,20us", text)
	}
	if found {
		var err error
		if n.Latency, err = time.ParseDuration(latency); err != nil || n.Latency < 0 {
			return n, fmt.Errorf("network (%q): the latency (%q) must be a time such as 20us", text, latency)
		}
	}
	return n, nil
}

// String is what [ParseNetwork] reads.
func (n Network) String() string {
	for _, u := range networkUnits {
		if v := n.BitsPerSecond / u.times; v >= 1 {
			return fmt.Sprintf("%.4g%s%s,%v", v, strings.ToUpper(u.name[:1]), u.name[1:], n.Latency)
		}
	}
	return fmt.Sprintf("%gkbit,%v", n.BitsPerSecond/1e3, n.Latency)
}

// The constants of the model.
const (
	// payload is the share of a network's rate that is left of Ethernet's and TCP's headers.
	payload = 0.95
	// perMessage is what sending a message costs, beside its bytes.
	perMessage = 5 * time.Microsecond
	// updateSpeed is how fast AdamW goes through the memory of weights, gradients and moments.
	updateSpeed = 10e9
	// updateBytes is what it reads and writes of a parameter.
	updateBytes = 7 * 4
)

// ScalePlan is what a step is expected to take on several ranks: docs/scale.md has the model
// beside what was measured.
type ScalePlan struct {
	Ranks      int     `json:"ranks"`
	Network    string  `json:"network"`
	Compute    float64 `json:"compute_seconds"` // of a rank's share of the batch
	Update     float64 `json:"update_seconds"`  // of the weights
	Wire       float64 `json:"wire_seconds"`    // that gradients, and with optim.shard weights, are on their way
	Hidden     float64 `json:"hidden"`          // share of it that the backward pass hides
	Step       float64 `json:"step_seconds"`    // all together
	Efficiency float64 `json:"efficiency"`      // speed over that of so many ranks that need not speak
	Sent       int64   `json:"sent_bytes"`      // by a rank in a step
}

// readiness is a gradient with the share of a step's computing after which it is whole.
type readiness struct {
	name     string
	elements int
	after    float64
}

// readinesses are those of a step, in their order: they come in the backward pass of the last
// micro-batch.
func (c *RunConfig) readinesses(choice Choice, dev device.Device) (list []readiness, err error) {
	params, err := c.parameters()
	if err != nil {
		return nil, err
	}
	plan := planDevice{dev}
	w, err := params.newWeights(plan, engine.WeightOptions{Gradients: true, BF16: choice.Precision == engine.PrecisionBF16})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l, err := newLesson(c, choice.MicroBatch, choice.Precision, plan, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	p, err := compileTraining(c, choice.MicroBatch, w, plan, engine.Options{Precision: choice.Precision, Recompute: choice.Recompute, PlanOnly: true}, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	micro := float64(c.rankBatch() / choice.MicroBatch)
	for _, g := range p.vm.GradientCourse() {
		list = append(list, readiness{g.Name, w.Gradient(g.Name).Len(), (micro - 1 + g.After) / micro})
	}
	return list, nil
}

// scale predicts a step of ranks that compute for so many seconds each.
//
// Bucket i, of b bytes as they travel, leaves when its last gradient is whole and the bucket
// before has arrived, and is on its way for w, once for the sums and once to gather them:
//
//	w = 2·((N−1)/N · b / rate + latency + (N−1)·message)
//
// With optim.shard the second half carries weights, in float32, after the update.
func (c *RunConfig) scale(compute float64, list []readiness) ScalePlan {
	n := float64(max(1, c.ranks))
	net := c.network
	rate := net.BitsPerSecond / 8 * payload
	message := net.Latency.Seconds() + (n-1)*perMessage.Seconds()
	once := func(bytes float64) float64 {
		if n == 1 {
			return 0
		}
		return (n-1)/n*bytes/rate + message
	}
	p := ScalePlan{Ranks: int(n), Network: net.String(), Compute: compute}
	var total, end float64
	var sizes []int
	for _, g := range list {
		sizes = append(sizes, g.elements)
		total += float64(g.elements)
	}
	size, times := float64(c.Collective.kind().Size()), 2.0
	if c.shards() {
		times = 1
	}
	for _, b := range cut(sizes, c.Collective.bucketElements()) {
		ready := list[b[len(b)-1].of].after * compute
		elements := 0
		for _, p := range b {
			elements += p.to - p.from
		}
		took := times * once(float64(elements)*size)
		end = max(end, ready) + took
		p.Wire += took
	}
	bytes := times * (n - 1) / n * total * size
	shown := max(0, end-compute)
	p.Update = total * updateBytes / updateSpeed
	if c.shards() {
		p.Update /= n
		weights := total * 4
		took := once(weights) + message*math.Floor(total/float64(c.Collective.bucketElements()))
		p.Wire, shown, bytes = p.Wire+took, shown+took, bytes+(n-1)/n*weights
	}
	agreements := 2.0
	if c.shards() {
		agreements = 4
	}
	if n == 1 {
		agreements = 0
	}
	p.Step = compute + shown + p.Update + agreements*2*message
	if p.Wire > 0 {
		p.Hidden = 1 - shown/p.Wire
	}
	p.Efficiency = (compute + total*updateBytes/updateSpeed) / p.Step
	p.Sent = int64(bytes)
	return p
}

// OnNetwork says, for a plan, what joins the ranks, and for how many seconds each computes in
// a step; 0 for an estimate.
func (c *RunConfig) OnNetwork(n Network, compute float64) { c.network, c.compute = n, compute }

// ForRanks makes c the configuration of one of so many ranks.
func (c *RunConfig) ForRanks(n int) error {
	switch {
	case n < 1:
		return fmt.Errorf("%d ranks: there must be one", n)
	case c.Train.Batch%n != 0:
		return fmt.Errorf("train.batch (%d) does not divide among %d ranks", c.Train.Batch, n)
	case int(c.Train.MicroBatch) > 0 && c.Train.Batch/n%int(c.Train.MicroBatch) != 0:
		return fmt.Errorf("train.micro_batch (%d) does not divide the %d sequences of a rank: train.batch (%d) among %d ranks", c.Train.MicroBatch, c.Train.Batch/n, c.Train.Batch, n)
	case n > 1 && c.Optim.Shard && c.Metrics.LayersEvery > 0:
		return fmt.Errorf("metrics.layers_every (%d) wants all gradients in one place: it does not go with optim.shard", c.Metrics.LayersEvery)
	}
	c.ranks = n
	return nil
}
