package anatomy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/train"
)

// Options say how closely runs are looked at.
type Options struct {
	Rows     int // sequences of held-out text that are computed; 0 is 8
	Grid     int // points of the landscape along a direction, an odd number; 0 is 21, 1 draws none
	Seed     uint64
	Workers  int
	Progress func(stage string, done, total int64) // nil tells nobody
}

// bins are those of a histogram of weights, from −limit to limit; the outermost hold what
// lies beyond.
const (
	bins  = 61
	limit = 1.2
)

// vanishing is the share of the root mean square of a matrix's gradients below which one
// counts as vanished.
const vanishing = 0.01

// parts are how many groups of equal size weights are cut in, by their gradients.
const parts = 10

// Run is what was seen of a run.
type Run struct {
	Name      string      `json:"name"`
	Quantize  string      `json:"quantize"`  // none, or as "w1a16, sign"
	Optimizer string      `json:"optimizer"` // with its rate
	Snapshots []Snapshot  `json:"snapshots"` // by step
	Changes   []Change    `json:"changes"`   // from each to the next
	Landscape [][]float64 `json:"landscape,omitempty"`
	Reach     float64     `json:"reach,omitempty"` // of the landscape: from −Reach to Reach, in lengths of the weights
}

// Snapshot is a checkpoint.
type Snapshot struct {
	Step      int64     `json:"step"`
	Loss      float64   `json:"loss"`      // of the batch, nats per token
	Histogram []float64 `json:"histogram"` // share of the latent weights in each bin
	Beyond    float64   `json:"beyond"`    // share of them at 1 and beyond
	Saturated float64   `json:"saturated"` // share of what matmuls read at 1 and beyond
	Vanished  float64   `json:"vanished"`  // share of the weights whose gradient vanishes
}

// Change is what lies between two checkpoints.
type Change struct {
	From    int64     `json:"from"`
	To      int64     `json:"to"`
	Flipped float64   `json:"flipped"` // share of the weights whose sign changed
	Revived float64   `json:"revived"` // share of those with a vanished gradient that have one again
	Moved   []float64 `json:"moved"`   // mean distance of a tenth of the weights, from the smallest gradients to the largest, over the mean of all
}

// weightsAt are the latent weights and gradients of a checkpoint, by parameter.
type weightsAt struct {
	values, gradients map[string][]float32
}

// Of looks into the run in a folder.
func Of(ctx context.Context, run string, o Options) (_ *Run, err error) {
	if o.Rows == 0 {
		o.Rows = 8
	}
	if o.Grid == 0 {
		o.Grid = 21
	}
	if o.Rows < 1 || o.Grid < 1 || o.Grid%2 == 0 {
		return nil, fmt.Errorf("anatomy: %d rows and a grid of %d: both must be positive and the grid odd", o.Rows, o.Grid)
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	entries, err := checkpoint.List(filepath.Join(run, train.CheckpointsDir))
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s keeps no checkpoint", run)
	}
	config, err := train.ConfigOf(entries[len(entries)-1].Path)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, config, entries[len(entries)-1].Path, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", run, err)
	}
	defer func() { err = errors.Join(err, s.close()) }()

	r := &Run{
		Name: filepath.Base(run), Quantize: config.Model.Quantize.String(),
		Optimizer: fmt.Sprintf("%s, rate %.3g", config.Optim.Name, config.Optim.LR),
	}
	var before *weightsAt
	for i, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o.Progress("checkpoints of "+r.Name, int64(i), int64(len(entries)))
		if err := s.load(e.Path); err != nil {
			return nil, err
		}
		snapshot, now, err := s.look(e.Step)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		if before != nil {
			r.Changes = append(r.Changes, between(r.Snapshots[i-1].Step, e.Step, before, now, s.matrices))
		}
		r.Snapshots, before = append(r.Snapshots, snapshot), now
	}
	o.Progress("checkpoints of "+r.Name, int64(len(entries)), int64(len(entries)))
	if o.Grid > 1 {
		r.Reach = 1
		if r.Landscape, err = s.landscape(ctx, before, o, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// scene is a run's model with a batch of its held-out text.
type scene struct {
	dev      device.Device
	graph    *arch.Graph
	weights  *engine.Weights
	training *engine.VM
	scoring  *engine.VM
	score    *arch.Graph
	matrices []arch.Parameter // of the blocks' linear layers
	params   []arch.Parameter
}

func open(ctx context.Context, c *train.RunConfig, newest string, o Options) (_ *scene, err error) {
	tok, err := checkpoint.OpenTokenizer(newest)
	if err != nil {
		return nil, err
	}
	set, err := data.Load(ctx, c.Data, data.LoadOptions{Tokenizer: tok, Vocab: c.Model.VocabSize, Progress: o.Progress})
	if err != nil {
		return nil, err
	}
	held, err := data.HeldoutBatches(set.Heldout, o.Rows, c.Data.Seq, int64(o.Rows*c.Data.Seq))
	if err != nil {
		return nil, err
	}
	s := &scene{params: c.Model.Parameters()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dev, err = device.Open("cpu", o.Workers, func(string) {}); err != nil {
		return nil, err
	}
	var list []engine.Parameter
	for _, p := range s.params {
		list = append(list, engine.Parameter{Name: p.Name, Shape: p.Shape})
		if p.Layer >= 0 && len(p.Shape) == 2 {
			s.matrices = append(s.matrices, p)
		}
	}
	if s.weights, err = engine.NewWeights(s.dev, list, engine.WeightOptions{Gradients: true}); err != nil {
		return nil, err
	}
	if s.graph, err = c.Model.BuildTraining(o.Rows, c.Data.Seq, arch.WatchActivations); err != nil {
		return nil, err
	}
	outputs := append(gorgonia.Nodes{s.graph.Loss}, s.graph.Read...)
	if s.training, err = engine.Compile(engine.Program{Outputs: outputs, Gradients: s.graph.Gradients, Weights: s.weights}, s.dev, engine.Options{}); err != nil {
		return nil, err
	}
	if s.score, err = c.Model.BuildScoring(o.Rows, c.Data.Seq); err != nil {
		return nil, err
	}
	if s.scoring, err = engine.Compile(engine.Program{Outputs: gorgonia.Nodes{s.score.Loss}, Weights: s.weights}, s.dev, engine.Options{}); err != nil {
		return nil, err
	}
	for b := range held.All() {
		return s, errors.Join(write(s.training, s.graph, b), write(s.scoring, s.score, b))
	}
	return nil, errors.New("there is no held-out text")
}

// write gives a program its batch.
func write(vm *engine.VM, g *arch.Graph, b *data.Batch) error {
	return errors.Join(
		engine.Write(vm.Input(g.Tokens), b.Inputs), engine.Write(vm.Input(g.Targets), b.Targets),
		engine.Write(vm.Input(g.Scale), []float32{1 / float32(b.Tokens)}))
}

func (s *scene) close() error {
	var errs []error
	for _, vm := range []*engine.VM{s.training, s.scoring} {
		if vm != nil {
			errs = append(errs, vm.Close())
		}
	}
	if s.weights != nil {
		errs = append(errs, s.weights.Close())
	}
	if s.dev != nil {
		s.dev.Close()
	}
	return errors.Join(errs...)
}

func (s *scene) load(path string) error {
	m, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	for _, p := range s.params {
		if err := m.LoadInto(p.Name, s.weights.Value(p.Name).Float32s(), p.Shape); err != nil {
			return errors.Join(err, m.Close())
		}
	}
	s.weights.Changed()
	return m.Close()
}

// look computes the batch with the weights that are loaded.
func (s *scene) look(step int64) (Snapshot, *weightsAt, error) {
	snapshot := Snapshot{Step: step, Histogram: make([]float64, bins)}
	if err := s.training.RunAll(); err != nil {
		return snapshot, nil, err
	}
	snapshot.Loss = float64(s.training.Output(s.graph.Loss).Float32s()[0])
	read, saturated := 0, 0
	for _, n := range s.graph.Read {
		for _, x := range s.training.Output(n).Float32s() {
			read++
			if x <= -1 || x >= 1 {
				saturated++
			}
		}
	}
	snapshot.Saturated = share(saturated, read)
	now := &weightsAt{map[string][]float32{}, map[string][]float32{}}
	count, beyond, vanished := 0, 0, 0
	for _, p := range s.matrices {
		w, g := slices.Clone(s.weights.Value(p.Name).Float32s()), slices.Clone(s.weights.Gradient(p.Name).Float32s())
		now.values[p.Name], now.gradients[p.Name] = w, g
		small := vanishing * rootMeanSquare(g)
		for i, x := range w {
			count++
			if x <= -1 || x >= 1 {
				beyond++
			}
			if abs(g[i]) <= small {
				vanished++
			}
			snapshot.Histogram[bin(x)]++
		}
	}
	for i := range snapshot.Histogram {
		snapshot.Histogram[i] /= float64(count)
	}
	snapshot.Beyond, snapshot.Vanished = share(beyond, count), share(vanished, count)
	return snapshot, now, nil
}

// bin is where a weight is counted.
func bin(x float32) int {
	return max(0, min(bins-1, int(math.Floor((float64(x)+limit)/(2*limit)*bins))))
}

// between compares two checkpoints.
func between(from, to int64, before, now *weightsAt, matrices []arch.Parameter) Change {
	c := Change{From: from, To: to, Moved: make([]float64, parts)}
	count, flipped, gone, revived := 0, 0, 0, 0
	var all float64
	for _, p := range matrices {
		a, b := before.values[p.Name], now.values[p.Name]
		g, later := before.gradients[p.Name], now.gradients[p.Name]
		small, smallLater := vanishing*rootMeanSquare(g), vanishing*rootMeanSquare(later)
		order := make([]int, len(a))
		for i := range a {
			order[i] = i
			count++
			if (a[i] < 0) != (b[i] < 0) {
				flipped++
			}
			if abs(g[i]) <= small {
				gone++
				if abs(later[i]) > smallLater {
					revived++
				}
			}
		}
		slices.SortFunc(order, func(i, j int) int {
			switch x, y := abs(g[i]), abs(g[j]); {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return i - j
		})
		for n, i := range order {
			d := float64(abs(b[i] - a[i]))
			c.Moved[n*parts/len(order)] += d
			all += d
		}
	}
	for i := range c.Moved {
		if all > 0 {
			c.Moved[i] *= parts / all
		}
	}
	c.Flipped, c.Revived = share(flipped, count), share(revived, gone)
	return c
}

// landscape is the loss over two directions around the weights, row by row.
func (s *scene) landscape(ctx context.Context, at *weightsAt, o Options, r *Run) ([][]float64, error) {
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	var directions [2]map[string][]float32
	for k := range directions {
		directions[k] = map[string][]float32{}
		for _, p := range s.matrices {
			directions[k][p.Name] = alike(at.values[p.Name], p.Shape[1], rng)
		}
	}
	place := func(i int) float32 { return float32(r.Reach) * float32(2*i-(o.Grid-1)) / float32(o.Grid-1) }
	grid := make([][]float64, o.Grid)
	for i := range grid {
		grid[i] = make([]float64, o.Grid)
		for j := range grid[i] {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			o.Progress("landscape of "+r.Name, int64(i*o.Grid+j), int64(o.Grid*o.Grid))
			for _, p := range s.matrices {
				w, x, y := at.values[p.Name], directions[0][p.Name], directions[1][p.Name]
				dst := s.weights.Value(p.Name).Float32s()
				for k := range dst {
					dst[k] = w[k] + place(i)*x[k] + place(j)*y[k]
				}
			}
			s.weights.Changed()
			if err := s.scoring.RunAll(); err != nil {
				return nil, err
			}
			grid[i][j] = float64(s.scoring.Output(s.score.Loss).Float32s()[0])
		}
	}
	o.Progress("landscape of "+r.Name, int64(o.Grid*o.Grid), int64(o.Grid*o.Grid))
	return grid, nil
}

// alike is a random direction each row of which is as long as that of w.
func alike(w []float32, columns int, rng *rand.Rand) []float32 {
	d := make([]float32, len(w))
	for first := 0; first < len(w); first += columns {
		var want, got float64
		for i := first; i < first+columns; i++ {
			d[i] = float32(rng.NormFloat64())
			want += float64(w[i]) * float64(w[i])
			got += float64(d[i]) * float64(d[i])
		}
		scale := float32(math.Sqrt(want / max(got, 1e-30)))
		for i := first; i < first+columns; i++ {
			d[i] *= scale
		}
	}
	return d
}

func share(n, of int) float64 { return float64(n) / float64(max(1, of)) }

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

func rootMeanSquare(x []float32) float32 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return float32(math.Sqrt(sum / float64(max(1, len(x)))))
}
