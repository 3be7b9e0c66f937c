package train

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
)

// program is a model compiled for micro-batches of rows × seq tokens.
type program struct {
	graph  *arch.Graph
	vm     *engine.VM
	seq    int
	vocab  int
	seed   uint64
	lesson *lesson
}

// compileTraining compiles a step's program. l, which may be nil, must be laid
// out for as many rows and outlive it.
func compileTraining(c *RunConfig, rows int, w *engine.Weights, dev engine.Device, o engine.Options, l *lesson) (*program, error) {
	o.ReuseGradients = rows == c.rankBatch() // else micro-batches add to them
	options, err := graphOptions(c)
	if err != nil {
		return nil, err
	}
	options = append(options, arch.ZLoss(c.Train.ZLoss))
	if l != nil {
		options = append(options, l.option())
	}
	if c.tellsSources(dev, l) {
		options = append(options, arch.TokenLogProbs)
	}
	g, err := c.Model.BuildTraining(rows, c.Data.Seq, options...)
	if err != nil {
		return nil, err
	}
	return compile(g, c, w, dev, o, l)
}

func compileScoring(c *RunConfig, rows int, w *engine.Weights, dev engine.Device, o engine.Options) (*program, error) {
	o.ReuseGradients = true // scores are taken between steps
	options, err := graphOptions(c)
	if err != nil {
		return nil, err
	}
	if c.Data.MeasuresSources() {
		options = append(options, arch.TokenLogProbs)
	}
	g, err := c.Model.BuildScoring(rows, c.Data.Seq, options...)
	if err != nil {
		return nil, err
	}
	return compile(g, c, w, dev, o, nil)
}

// graphOptions are the same in training and scoring: a model is scored with the
// attention that it learns with.
func graphOptions(c *RunConfig) ([]arch.Option, error) {
	t, err := c.parameters()
	return append(maskOptions(c), t.options(c)...), err
}

// maskOptions are those of a teacher too.
func maskOptions(c *RunConfig) []arch.Option {
	if c.Data.DocumentMask {
		return []arch.Option{arch.DocumentMask}
	}
	return nil
}

func compile(g *arch.Graph, c *RunConfig, w *engine.Weights, dev engine.Device, o engine.Options, l *lesson) (*program, error) {
	p := engine.Program{Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w}
	if l != nil {
		l.bind(g, &p)
	}
	if g.ZLoss != nil {
		p.Outputs = append(p.Outputs, g.ZLoss)
	}
	if g.LogProbs != nil {
		p.Outputs = append(p.Outputs, g.LogProbs)
	}
	vm, err := engine.Compile(p, dev, o)
	_, away := dev.(device.Accelerator)
	if err != nil && away && l != nil && l.teacher == nil {
		return nil, fmt.Errorf("distil.shards: %w\nhint: --device cpu, or distil.teacher in their place", err)
	}
	if err != nil && away && g.DropoutKey != nil {
		return nil, fmt.Errorf("lora.dropout (%g): %w\nhint: --set lora.dropout=0, or --device cpu", c.LoRA.Dropout, err)
	}
	if err != nil {
		return nil, err
	}
	return &program{graph: g, vm: vm, seq: c.Data.Seq, vocab: c.Model.VocabSize, seed: c.Train.Seed, lesson: l}, nil
}

// run computes the loss of rows first, first+1, … of a batch, as many as the
// program is compiled for: the sum over their supervised tokens times scale.
func (p *program) run(b *data.Batch, first int, scale float32) (float64, error) {
	if err := p.enqueue(b, first, scale); err != nil {
		return 0, err
	}
	var loss [1]float32
	err := engine.Read(p.loss(), loss[:])
	return float64(loss[0]), err
}

// aside is what a step reports beside its loss: with a teacher the loss that the text
// alone would give, with a z-loss that term of the loss; else nil.
func (p *program) aside() *engine.Tensor {
	switch {
	case p.graph.ZLoss != nil:
		return p.vm.Output(p.graph.ZLoss)
	case p.lesson != nil:
		return p.vm.Output(p.graph.Teacher.Label)
	}
	return nil
}

// enqueue is run without waiting for the loss, where the device works behind
// the host. Ids that the model has no row for are an error, whatever corpus they come
// from: a mapped file may have changed since it was checked.
func (p *program) enqueue(b *data.Batch, first int, scale float32) error {
	tokens := p.vm.Input(p.graph.Tokens)
	at, n := first*p.seq, tokens.Len()
	errs := []error{
		engine.WriteIDs(tokens, b.Inputs[at:at+n], p.vocab),
		engine.WriteTargets(p.vm.Input(p.graph.Targets), b.Targets[at:at+n], p.vocab),
		engine.Write(p.vm.Input(p.graph.Scale), []float32{scale}),
	}
	if p.graph.Starts != nil {
		errs = append(errs, writeStarts(p.vm.Input(p.graph.Starts), b, first))
	}
	if key := p.graph.DropoutKey; key != nil {
		errs = append(errs, engine.Write(p.vm.Input(key), []int32{int32(p.seed), int32(p.seed >> 32), int32(b.Step), int32(at + b.Row*p.seq)}))
	}
	if p.lesson != nil {
		errs = append(errs, p.lesson.prepare(p, b, first))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return p.vm.RunAll()
}

// writeStarts writes where the documents of a batch's rows begin.
func writeStarts(t *engine.Tensor, b *data.Batch, first int) error {
	if t.OnHost() {
		b.Starts(t.Ids(), first)
		return nil
	}
	starts := make([]int32, t.Len())
	b.Starts(starts, first)
	return engine.Write(t, starts)
}

func (p *program) loss() *engine.Tensor { return p.vm.Output(p.graph.Loss) }

func (p *program) close() error {
	if p == nil {
		return nil
	}
	return p.vm.Close()
}

// newWeights takes memory for a model's parameters.
func newWeights(dev engine.Device, params []arch.Parameter, keep engine.WeightOptions) (*engine.Weights, error) {
	return trained{model: params}.newWeights(dev, keep)
}

// newWeights takes memory for them.
func (t trained) newWeights(dev engine.Device, keep engine.WeightOptions) (*engine.Weights, error) {
	var list []engine.Parameter
	for _, p := range t.all() {
		list = append(list, engine.Parameter{Name: p.Name, Shape: p.Shape, Frozen: t.frozen[p.Name], BF16: t.narrow(p)})
	}
	return engine.NewWeights(dev, list, keep)
}

// planDevice compiles programs that are only laid out.
type planDevice struct{ device.Device }

// Alloc reserves addresses: nothing is written there.
func (d planDevice) Alloc(bytes int64) (engine.Memory, error) { return d.reserve(bytes) }

// layout is the memory that the engine takes for a run, in bytes.
type layout struct {
	weights           int64 // with, where the device wants one, a bf16 copy
	gradients         int64 // of the weights that are trained
	training, scoring int64 // activations and scratch of the two programs, beside the memory that they reuse
	teacher           int64 // its weights, activations and scratch
	quantized         int64 // of the largest program that scores the model quantised
}

// layOut plans a run's programs for micro-batches of rows sequences.
func layOut(c *RunConfig, rows int, p engine.Precision, r engine.Recompute, dev device.Device) (_ layout, err error) {
	plan := planDevice{dev}
	params, err := c.parameters()
	if err != nil {
		return layout{}, err
	}
	w, err := params.newWeights(plan, engine.WeightOptions{Gradients: true, BF16: p == engine.PrecisionBF16})
	if err != nil {
		return layout{}, fmt.Errorf("planning memory: %w", err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	o := engine.Options{Precision: p, Recompute: r, PlanOnly: true}
	l, err := newLesson(c, rows, p, plan, true)
	if err != nil {
		return layout{}, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	t, err := compileTraining(c, rows, w, plan, o, l)
	if err != nil {
		return layout{}, err
	}
	s, err := compileScoring(c, rows, w, plan, o)
	if err != nil {
		return layout{}, err
	}
	learned := values(params.learning())
	all := layout{weights: w.Bytes() - 4*learned, gradients: 4 * learned, training: t.vm.Bytes(), scoring: s.vm.Bytes(), teacher: l.bytes()}
	for _, name := range c.Eval.Quantize {
		other, err := quantized(c, name)
		if err != nil {
			return layout{}, err
		}
		q, err := compileScoring(other, rows, w, plan, o)
		if err != nil {
			return layout{}, err
		}
		all.quantized = max(all.quantized, q.vm.Bytes())
	}
	return all, nil
}
