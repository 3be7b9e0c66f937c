package engine_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/golden"
	"mobilellm/optim"
)

const goldenDir = "../arch/testdata/llama"

func goldenCase(t *testing.T, name string) (*golden.Case, arch.Config) {
	t.Helper()
	c, err := golden.Load(goldenDir, name)
	if err != nil {
		t.Fatal(err)
	}
	return c, configOf(c.Config, c.Seq)
}

// configOf is the model of golden files for sequences of the given length.
func configOf(c golden.Config, seq int) arch.Config {
	return arch.Config{
		VocabSize: c.VocabSize, Layers: c.Layers, Dim: c.Dim, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		FFN: arch.SwiGLU, FFNDim: c.FFNDim, NormEps: c.NormEps, RoPEBase: c.RoPEBase, Context: seq,
		ShareEmbedding: c.ShareEmbedding, InitStd: 0.02, QKNorm: c.QKNorm,
		LayerSharing: arch.LayerSharing{Strategy: arch.Strategy(c.Sharing), Repeat: max(c.Repeat, 2)},
	}
}

// device is what a trainer needs of one.
type device interface {
	engine.Device
	optim.Parallel
}

// trainer runs training steps of a model on the engine.
type trainer struct {
	config  arch.Config
	graph   *arch.Graph
	weights *engine.Weights
	vm      *engine.VM
	params  []optim.Param
	dev     device
}

func newTrainer(t *testing.T, dev device, c arch.Config, params map[string][]float32, batch, seq int, opt engine.Options, options ...arch.Option) *trainer {
	t.Helper()
	g, err := c.BuildTraining(batch, seq, options...)
	if err != nil {
		t.Fatal(err)
	}
	var shapes []engine.Parameter
	for _, p := range c.Parameters() {
		shapes = append(shapes, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	w, err := engine.NewWeights(dev, shapes, engine.WeightOptions{Gradients: true, BF16: opt.Precision == engine.PrecisionBF16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	tr := &trainer{config: c, graph: g, weights: w, dev: dev}
	for _, p := range c.Parameters() {
		copy(w.Value(p.Name).Float32s(), params[p.Name])
		tr.params = append(tr.params, optim.Param{Name: p.Name, Decay: p.Decays(), Hidden: p.Hidden(), Value: w.Value(p.Name).Float32s(), Grad: w.Gradient(p.Name).Float32s()})
	}
	w.Changed()
	tr.vm, err = engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w}, dev, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.vm.Close() })
	return tr
}

// gradients runs one batch in as many micro-batches as it takes and returns the
// loss.
func (tr *trainer) gradients(t *testing.T, b golden.Batch) float64 {
	t.Helper()
	n := len(tr.vm.Input(tr.graph.Tokens).Ids())
	tr.vm.Input(tr.graph.Scale).Float32s()[0] = 1 / float32(b.Supervised())
	var loss float64
	for first := 0; first < len(b.Tokens); first += n {
		copy(tr.vm.Input(tr.graph.Tokens).Ids(), b.Tokens[first:])
		copy(tr.vm.Input(tr.graph.Targets).Ids(), b.Targets[first:])
		tr.vm.Accumulate(first > 0)
		if err := tr.vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		loss += float64(tr.vm.Output(tr.graph.Loss).Float32s()[0])
	}
	return loss
}

func (tr *trainer) optimizer(t *testing.T, o golden.Optim) (optim.Optimizer, float64) {
	t.Helper()
	config := optim.Default()
	config.Name, config.LR, config.Betas, config.Eps, config.WeightDecay, config.Clip = o.Name, o.LR, o.Betas, o.Eps, o.WeightDecay, o.Clip
	opt, err := optim.New(config, tr.params, tr.dev)
	if err != nil {
		t.Fatal(err)
	}
	return opt, o.Clip
}

// TestTransformers holds the engine to transformers' LLaMA: logits, loss, every
// gradient and ten training losses, for each way to recompute, to split the
// batch and to share the work.
func TestTransformers(t *testing.T) {
	for _, workers := range []int{1, 2} {
		dev := cpu.New(cpu.Options{Workers: workers})
		t.Cleanup(dev.Close)
		for _, name := range golden.Cases {
			c, config := goldenCase(t, name)
			t.Run(fmt.Sprintf("%s/%d workers/logits", name, workers), func(t *testing.T) { checkLogits(t, dev, c, config) })
			for _, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeAttention, engine.RecomputeBlock} {
				for _, rows := range []int{c.Batch, 1} {
					t.Run(fmt.Sprintf("%s/%d workers/recompute %v/%d rows", name, workers, recompute, rows), func(t *testing.T) {
						tr := newTrainer(t, dev, config, c.Params, rows, c.Seq, engine.Options{Recompute: recompute, CheckNaN: true})
						checkTraining(t, tr, c)
					})
				}
			}
		}
	}
}

func checkTraining(t *testing.T, tr *trainer, c *golden.Case) {
	t.Helper()
	opt, clip := tr.optimizer(t, c.Optim)
	for step, b := range c.Batches {
		loss := tr.gradients(t, b)
		if math.Abs(loss-c.Losses[step]) > 1e-4 {
			t.Fatalf("loss of step %d is %v, want %v", step, loss, c.Losses[step])
		}
		if step == 0 {
			for _, p := range tr.params {
				if err := golden.Check("gradient of "+p.Name, p.Grad, c.Grads[p.Name], 1e-4); err != nil {
					t.Error(err)
				}
			}
		}
		norm := optim.GradNorm(tr.params, tr.dev)
		if math.Abs(norm-c.GradNorms[step]) > 1e-3*c.GradNorms[step] {
			t.Errorf("gradient norm of step %d is %v, want %v", step, norm, c.GradNorms[step])
		}
		opt.Step(c.Optim.LR, optim.ClipScale(norm, clip))
		tr.weights.Changed()
	}
}

func checkLogits(t *testing.T, dev *cpu.Device, c *golden.Case, config arch.Config) {
	t.Helper()
	g, err := config.BuildLogits(c.Batch, c.Seq)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{})
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Logits}, Weights: tr.weights}, dev, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	copy(vm.Input(g.Tokens).Ids(), c.Batches[0].Tokens)
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if err := golden.Check("logits", vm.Output(g.Logits).Float32s(), c.Logits, 1e-4); err != nil {
		t.Error(err)
	}
}

// TestBF16 holds bf16 training near float32 (matmuls are rounded, the rest is
// not) and recomputation to the very bits of what it replaces.
func TestBF16(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	if !dev.BF16() {
		t.Skip("needs oneDNN and a processor with bf16 matmuls")
	}
	for _, name := range golden.Cases {
		t.Run(name, func(t *testing.T) {
			c, config := goldenCase(t, name)
			var kept []float64
			for _, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeAttention, engine.RecomputeBlock} {
				tr := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{Precision: engine.PrecisionBF16, Recompute: recompute})
				opt, clip := tr.optimizer(t, c.Optim)
				for step, b := range c.Batches {
					loss := tr.gradients(t, b)
					if math.Abs(loss-c.Losses[step]) > 0.04*c.Losses[step] {
						t.Fatalf("recompute %v: loss of step %d is %v, want %v", recompute, step, loss, c.Losses[step])
					}
					if recompute == engine.RecomputeNone {
						kept = append(kept, loss)
					} else if loss != kept[step] {
						t.Fatalf("recompute %v: loss of step %d is %v, without recomputation %v", recompute, step, loss, kept[step])
					}
					opt.Step(c.Optim.LR, optim.ClipScale(optim.GradNorm(tr.params, dev), clip))
					tr.weights.Changed()
				}
			}
		})
	}
}

// TestTapeMachine trains the same model by gorgonia's own machine, with the
// operations' plain versions, and by the engine.
func TestTapeMachine(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	for _, name := range []string{"untied_gqa", "reverse"} {
		for _, ffn := range []arch.FFN{arch.SwiGLU, arch.ReLU} {
			t.Run(fmt.Sprintf("%s/%s", name, ffn), func(t *testing.T) {
				c, config := goldenCase(t, name)
				config.FFN = ffn
				tr := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{})
				checkAgainstTape(t, tr, newTape(t, config, c), c.Batches[:5])
			})
		}
	}
}

// checkAgainstTape trains by gradient descent on both machines.
func checkAgainstTape(t *testing.T, tr *trainer, tape *tape, batches []golden.Batch) {
	t.Helper()
	for step, b := range batches {
		got, want := tr.gradients(t, b), tape.run(t, b)
		if math.Abs(got-want) > 1e-5*want {
			t.Fatalf("loss of step %d is %v, TapeMachine's %v", step, got, want)
		}
		for _, p := range tr.params {
			g := tape.graph.Gradients[p.Name].Value().Data().([]float32)
			if err := golden.Check("gradient of "+p.Name, p.Grad, g, 1e-4); err != nil {
				t.Error(err)
			}
			tape.descend(p.Name, g)
			for i := range p.Value {
				p.Value[i] -= 0.1 * p.Grad[i]
			}
		}
		tr.weights.Changed()
	}
}

// tape is a model on gorgonia's TapeMachine.
type tape struct {
	graph  *arch.Graph
	vm     gorgonia.VM
	params map[string][]float32
}

func newTape(t *testing.T, c arch.Config, g *golden.Case, options ...arch.Option) *tape {
	t.Helper()
	graph, err := c.BuildTraining(g.Batch, g.Seq, options...)
	if err != nil {
		t.Fatal(err)
	}
	tp := &tape{graph: graph, params: map[string][]float32{}}
	for _, p := range c.Parameters() {
		x := append([]float32(nil), g.Params[p.Name]...)
		tp.params[p.Name] = x
		if err := gorgonia.Let(graph.Params[p.Name], tensor.New(tensor.WithShape(p.Shape...), tensor.WithBacking(x))); err != nil {
			t.Fatal(err)
		}
	}
	tp.vm = gorgonia.NewTapeMachine(graph.ExprGraph)
	t.Cleanup(func() { tp.vm.Close() })
	return tp
}

func (tp *tape) run(t *testing.T, b golden.Batch) float64 {
	t.Helper()
	tp.vm.Reset()
	ids := func(n *gorgonia.Node, x []int32) {
		if err := gorgonia.Let(n, tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(append([]int32(nil), x...)))); err != nil {
			t.Fatal(err)
		}
	}
	ids(tp.graph.Tokens, b.Tokens)
	ids(tp.graph.Targets, b.Targets)
	if err := gorgonia.Let(tp.graph.Scale, 1/float32(b.Supervised())); err != nil {
		t.Fatal(err)
	}
	if err := tp.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return float64(tp.graph.Loss.Value().Data().(float32))
}

func (tp *tape) descend(name string, g []float32) {
	x := tp.params[name]
	for i := range x {
		x[i] -= 0.1 * g[i]
	}
}

// TestReusedGradients holds programs whose activations lie in the memory of the
// gradients to the very bits of programs whose do not.
func TestReusedGradients(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	precisions := []engine.Precision{engine.PrecisionF32}
	if dev.BF16() {
		precisions = append(precisions, engine.PrecisionBF16)
	}
	for _, name := range golden.Cases {
		for _, precision := range precisions {
			for _, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeBlock} {
				t.Run(fmt.Sprintf("%s/%v/recompute %v", name, precision, recompute), func(t *testing.T) {
					c, config := goldenCase(t, name)
					opt := engine.Options{Precision: precision, Recompute: recompute, CheckNaN: true}
					apart := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, opt)
					opt.ReuseGradients = true
					reused := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, opt)
					if got, most := reused.vm.Bytes(), apart.vm.Bytes(); got >= most {
						t.Errorf("%d bytes beside the gradients, %d without reuse", got, most)
					}
					checkSameTraining(t, reused, apart, c)
				})
			}
		}
	}
}

func checkSameTraining(t *testing.T, got, want *trainer, c *golden.Case) {
	t.Helper()
	gotOpt, clip := got.optimizer(t, c.Optim)
	wantOpt, _ := want.optimizer(t, c.Optim)
	for step, b := range c.Batches {
		if g, w := got.gradients(t, b), want.gradients(t, b); g != w {
			t.Fatalf("loss of step %d is %v, want %v", step, g, w)
		}
		for i, p := range got.params {
			if !slices.Equal(p.Grad, want.params[i].Grad) {
				t.Fatalf("step %d: the gradient of %s differs", step, p.Name)
			}
		}
		gotOpt.Step(c.Optim.LR, optim.ClipScale(optim.GradNorm(got.params, got.dev), clip))
		wantOpt.Step(c.Optim.LR, optim.ClipScale(optim.GradNorm(want.params, want.dev), clip))
		got.weights.Changed()
		want.weights.Changed()
	}
}

func TestReusedGradientsDoNotAdd(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	c, config := goldenCase(t, golden.Cases[0])
	tr := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{ReuseGradients: true})
	tr.vm.Accumulate(true)
	if err := tr.vm.RunAll(); err == nil || !strings.Contains(err.Error(), "reuses their memory") {
		t.Errorf("a run that adds to reused gradients: %v", err)
	}
}
