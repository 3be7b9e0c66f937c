package train

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]Network{
		"10Gbit":        {1e10, 50 * time.Microsecond},
		"100mbit/s":     {1e8, 50 * time.Microsecond},
		"1Gbit,1.5ms":   {1e9, 1500 * time.Microsecond},
		"0.5Gbit,0s":    {5e8, 0},
		"64kbit":        {64e3, 50 * time.Microsecond},
		"100Mbit,200us": {1e8, 200 * time.Microsecond},
	} {
		got, err := ParseNetwork(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseNetwork(got.String()); err != nil || again != got {
			t.Errorf("%s is read as %+v, %v", got, again, err)
		}
	}
	for text, want := range map[string]string{"10": `("10") must be a rate`, "": "must be a rate", "-1Gbit": "must be a rate", "Gbit": "must be a rate", "NaNGbit": "must be a rate", "1Gbit,fast": `latency ("fast")`, "1Gbit,-1s": "latency"} {
		if n, err := ParseNetwork(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", text, n, err)
		}
	}
}

// The model of a step against what can be worked out by hand.
func TestScale(t *testing.T) {
	c := DefaultRun()
	c.ranks, c.Collective.BucketMB = 2, 4 // a million elements
	list := []readiness{{"late layer", 1e6, 0.5}, {"early layer", 1e6, 1}}
	one := 1e6 * 4 / 2 / (1e9 / 8 * payload) // of a bucket, half of which goes each way
	for name, test := range map[string]struct {
		change                func(c *RunConfig)
		wire, hidden, step, n float64
		sent                  int64
	}{
		// The first bucket is under way while the second is computed; all of the second is seen.
		"plain":      {func(*RunConfig) {}, 4 * one, 0.5, 1 + 2*one, 1, 8e6},
		"compressed": {func(c *RunConfig) { c.Collective.Compress = CompressBF16 }, 2 * one, 0.5, 1 + one, 1, 4e6},
		// Weights follow, in float32, and each rank updates half.
		"sharded": {func(c *RunConfig) { c.Optim.Shard = true }, 4 * one, 0.25, 1 + 3*one, 2, 8e6},
		// The first is not through when the second is whole.
		"slow": {func(c *RunConfig) { c.network.BitsPerSecond = 1e7 }, 400 * one, 0.5 / (400 * one), 0.5 + 400*one, 1, 8e6},
	} {
		c := c
		c.network = Network{BitsPerSecond: 1e9}
		test.change(&c)
		p := c.scale(1, list)
		messages := 0.001 // some microseconds each
		update := 2e6 * updateBytes / updateSpeed / test.n
		if math.Abs(p.Wire-test.wire) > messages || math.Abs(p.Hidden-test.hidden) > 0.01 || math.Abs(p.Step-test.step-update) > messages || p.Sent != test.sent {
			t.Errorf("%s: %+v, want wire %g, hidden %g, step %g", name, p, test.wire, test.hidden, test.step+update)
		}
	}
	c.ranks, c.network = 512, Network{BitsPerSecond: 1e11, Latency: time.Millisecond}
	if p := c.scale(1, list); p.Step < 1+2*0.003 || p.Wire < 4*0.003 { // latency, and 511 messages of 5 µs
		t.Errorf("512 ranks: %+v", p)
	}
}
