package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/optim"
)

// Config says what to measure.
type Config struct {
	Model     arch.Config
	Optim     optim.Config
	Batch     int
	Seq       int
	Precision engine.Precision
	Recompute engine.Recompute
	Steps     int // measured
	WarmUp    int // before them
}

// Result is a measurement.
type Result struct {
	Machine
	Model           Model        `json:"model"`
	Parameters      int64        `json:"parameters"`
	FLOPsPerToken   int64        `json:"flops_per_token"`
	Batch           int          `json:"batch"`
	Seq             int          `json:"seq"`
	Precision       string       `json:"precision"`
	Recompute       string       `json:"recompute"`
	Workers         int          `json:"workers"`
	StartSeconds    float64      `json:"start_seconds"` // graph, gradients, plan and kernels
	StepSeconds     []float64    `json:"step_seconds"`
	TokensPerSecond float64      `json:"tokens_per_second"` // of the median step
	Share           float64      `json:"share_of_peak"`
	PlannedBytes    int64        `json:"planned_bytes"` // weights, gradients, moments, arena
	PeakBytes       int64        `json:"peak_bytes"`    // VmHWM of the process, or what is in use of a GPU's memory
	LastLoss        float64      `json:"loss"`
	Profile         []engine.Row `json:"profile"`
}

// Run measures training steps on random tokens. The machine's peaks are given,
// so that they can be measured once for several runs.
func Run(ctx context.Context, dev Device, m Machine, c Config) (*Result, error) {
	s, err := newStepper(dev, c)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := &Result{
		Machine: m, Model: modelOf(c.Model), Parameters: c.Model.ParameterCount(), FLOPsPerToken: c.Model.TrainingFLOPs(c.Seq),
		Batch: c.Batch, Seq: c.Seq, Precision: c.Precision.String(), Recompute: c.Recompute.String(),
		Workers: dev.Workers(), StartSeconds: s.start.Seconds(), PlannedBytes: s.bytes(),
	}
	for i := range c.WarmUp + c.Steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if p := s.vm.Profile(); p != nil && i == c.WarmUp {
			p.Reset()
		}
		start := time.Now()
		if r.LastLoss, err = s.step(); err != nil {
			return nil, err
		}
		if i >= c.WarmUp {
			r.StepSeconds = append(r.StepSeconds, time.Since(start).Seconds())
		}
	}
	median := Median(r.StepSeconds)
	r.TokensPerSecond = float64(c.Batch*c.Seq) / median
	reached := r.TokensPerSecond * float64(r.FLOPsPerToken)
	if reached > m.Peak*1e9 { // it was measured while the machine had other work
		again, err := dev.Peak(c.Precision, time.Second/5)
		if err != nil {
			return nil, fmt.Errorf("benchmark: peak: %w", err)
		}
		r.Peak = max(again, reached) / 1e9
	}
	r.Share = reached / (r.Peak * 1e9)
	r.PeakBytes = peakMemory()
	if a, ok := dev.(device.Accelerator); ok {
		free, total := a.Memory()
		r.PeakBytes = total - free
		if err := s.profile(); err != nil {
			return nil, err
		}
	}
	r.Profile = s.vm.Profile().Rows()
	return r, nil
}

// profile compiles the program again to time every operation: on an accelerator
// that keeps a step from being launched as one graph, so the measured steps do
// without.
func (s *stepper) profile() error {
	if err := s.vm.Close(); err != nil {
		return err
	}
	if err := s.compile(true); err != nil {
		return err
	}
	if err := s.writeInputs(); err != nil {
		return err
	}
	for i := range 3 {
		if i == 1 {
			s.vm.Profile().Reset()
		}
		if _, err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

// Model is what a peer needs to build the same model.
type Model struct {
	VocabSize      int   `json:"vocab_size"`
	Layers         int   `json:"layers"`
	Schedule       []int `json:"schedule"`
	Dim            int   `json:"dim"`
	Heads          int   `json:"heads"`
	KVHeads        int   `json:"kv_heads"`
	HeadDim        int   `json:"head_dim"`
	FFNDim         int   `json:"ffn_dim"`
	Context        int   `json:"context"`
	ShareEmbedding bool  `json:"share_embedding"`
}

func modelOf(c arch.Config) Model {
	m := Model{
		VocabSize: c.VocabSize, Layers: c.Layers, Dim: c.Dim, Heads: c.Heads, KVHeads: c.KVHeads,
		HeadDim: c.HeadDim, FFNDim: c.FFNDim, Context: c.Context, ShareEmbedding: c.ShareEmbedding,
	}
	for _, layer := range c.Schedule().All() {
		m.Schedule = append(m.Schedule, layer)
	}
	return m
}

// Median of a list that is not empty.
func Median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// stepper holds a model in training.
type stepper struct {
	config  Config
	dev     Device
	graph   *arch.Graph
	weights *engine.Weights
	vm      *engine.VM
	params  []optim.Param
	optim   optim.Optimizer
	remote  engine.Update // of an accelerator, in place of params and optim
	start   time.Duration
}

func newStepper(dev Device, c Config) (*stepper, error) {
	s := &stepper{config: c, dev: dev}
	var shapes []engine.Parameter
	for _, p := range c.Model.Parameters() {
		shapes = append(shapes, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	var err error
	s.weights, err = engine.NewWeights(dev, shapes, engine.WeightOptions{Gradients: true, BF16: c.Precision == engine.PrecisionBF16})
	if err != nil {
		return nil, err
	}
	_, away := dev.(device.Accelerator)
	for _, step := range []func() error{
		func() error { return s.compile(!away) }, s.initialise, s.makeOptimizer, s.writeInputs,
	} {
		if err := step(); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *stepper) makeOptimizer() (err error) {
	if a, ok := s.dev.(device.Accelerator); ok {
		var decays []bool
		for _, p := range s.config.Model.Parameters() {
			decays = append(decays, p.Decays())
		}
		s.remote, err = a.NewUpdate(s.config.Optim, s.weights, decays, 1)
		return err
	}
	s.optim, err = optim.New(s.config.Optim, s.params, s.dev)
	return err
}

func (s *stepper) compile(profile bool) error {
	start := time.Now()
	var err error
	if s.graph, err = s.config.Model.BuildTraining(s.config.Batch, s.config.Seq); err != nil {
		return err
	}
	s.vm, err = engine.Compile(engine.Program{
		Outputs: []*gorgonia.Node{s.graph.Loss}, Gradients: s.graph.Gradients, Weights: s.weights,
	}, s.dev, engine.Options{Precision: s.config.Precision, Recompute: s.config.Recompute, Profile: profile, ReuseGradients: true})
	s.start = time.Since(start)
	return err
}

func (s *stepper) initialise() error {
	for _, p := range s.config.Model.Parameters() {
		t := s.weights.Value(p.Name)
		var value []float32
		if t.OnHost() {
			value = t.Float32s()
			if g := s.weights.Gradient(p.Name); g != nil { // a teacher has none
				s.params = append(s.params, optim.Param{Name: p.Name, Decay: p.Decays(), Hidden: p.Hidden(), Value: value, Grad: g.Float32s()})
			}
		} else {
			value = make([]float32, t.Len())
		}
		const piece = 1 << 16
		s.dev.For((len(value)+piece-1)/piece, func(_, i int) {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			part := value[i*piece : min((i+1)*piece, len(value))]
			for j := range part {
				part[j] = 1
				if p.Decays() {
					part[j] = float32(rng.NormFloat64() * s.config.Model.InitStd)
				}
			}
		})
		if !t.OnHost() {
			if err := engine.Write(t, value); err != nil {
				return err
			}
		}
	}
	s.weights.Changed()
	return nil
}

// writeInputs gives the program random tokens.
func (s *stepper) writeInputs() error {
	rng := rand.New(rand.NewPCG(2, 3))
	n := s.config.Batch * s.config.Seq
	tokens, targets := make([]int32, n), make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(rng.IntN(s.config.Model.VocabSize))
		targets[i] = int32(rng.IntN(s.config.Model.VocabSize))
	}
	return errors.Join(
		engine.WriteIDs(s.vm.Input(s.graph.Tokens), tokens, s.config.Model.VocabSize),
		engine.WriteTargets(s.vm.Input(s.graph.Targets), targets, s.config.Model.VocabSize),
		engine.Write(s.vm.Input(s.graph.Scale), []float32{1 / float32(n)}))
}

func (s *stepper) step() (float64, error) {
	if err := s.vm.RunAll(); err != nil {
		return 0, err
	}
	if s.remote != nil {
		return s.updateRemote()
	}
	timed := func(name string, f func()) {
		start := time.Now()
		f()
		s.vm.Profile().Add(name, time.Since(start))
	}
	var norm float64
	timed("gradient norm", func() { norm = optim.GradNorm(s.params, s.dev) })
	timed("optimizer", func() {
		s.optim.Step(s.config.Optim.LR, optim.ClipScale(norm, s.config.Optim.Clip))
	})
	timed("weights to bf16", s.weights.Changed)
	return float64(s.vm.Output(s.graph.Loss).Float32s()[0]), nil
}

// updateRemote ends a step as a training loop does: the loss comes back with the
// norm.
func (s *stepper) updateRemote() (float64, error) {
	start := time.Now()
	s.remote.Collect(0, s.vm.Output(s.graph.Loss))
	s.remote.Step(s.config.Optim.LR)
	losses, _, err := s.remote.Result()
	if err != nil {
		return 0, err
	}
	if p := s.vm.Profile(); p != nil {
		p.Add("optimizer", time.Since(start))
	}
	return float64(losses[0]), nil
}

// bytes is what the plan says is held: weights, gradients, copies, two moments,
// and activations.
func (s *stepper) bytes() int64 {
	n := s.weights.Bytes() + s.vm.Bytes()
	if s.remote != nil {
		for _, m := range s.remote.Moments() {
			n += m.Value.Bytes()
		}
		return n
	}
	for _, t := range s.optim.State() {
		n += 4*int64(len(t.Data)) + 2*int64(len(t.BF16))
	}
	return n
}

func (s *stepper) close() {
	if s.vm != nil {
		_ = s.vm.Close() // memory of a measurement that is over
	}
	if s.remote != nil {
		_ = s.remote.Close()
	}
	_ = s.weights.Close()
}

// peakMemory is the largest resident size of the process so far, in bytes.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}

// String is the result in a few lines.
func (r *Result) String() string {
	slowest, fastest := slices.Max(r.StepSeconds), slices.Min(r.StepSeconds)
	return fmt.Sprintf(`device            %s
peak              %.0f GFLOP/s %s (%d³), %.0f at the model's shape; read %.1f GB/s
model             %.1f M parameters, %.1f MFLOP a token, %d×%d tokens, recompute %s
start             %.2f s to the first step
step              %.3f s median of %d (%.3f to %.3f)
speed             %.0f tokens/s, %.1f %% of peak
memory            %.2f GB peak, %.2f GB planned
`,
		r.Device, r.Peak, r.Precision, r.Edge, r.Shape, r.Read,
		float64(r.Parameters)/1e6, float64(r.FLOPsPerToken)/1e6, r.Batch, r.Seq, r.Recompute,
		r.StartSeconds, Median(r.StepSeconds), len(r.StepSeconds), fastest, slowest,
		r.TokensPerSecond, 100*r.Share, float64(r.PeakBytes)/1e9, float64(r.PlannedBytes)/1e9)
}
