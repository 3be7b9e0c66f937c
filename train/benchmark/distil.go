package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/data/topk"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/op"
)

// Distilling is what a teacher costs a step, beside the step without one. The
// four are measured in turn, so that whatever else the machine does falls on all.
type Distilling struct {
	Device            string    `json:"device"`
	Model             Model     `json:"model"`
	Parameters        int64     `json:"parameters"`
	Teacher           Model     `json:"teacher"`
	TeacherParameters int64     `json:"teacher_parameters"`
	K                 int       `json:"k"`
	Batch             int       `json:"batch"`
	Seq               int       `json:"seq"`
	Precision         string    `json:"precision"`
	Temperature       float64   `json:"temperature"`
	Workers           int       `json:"workers"`
	Label             []float64 `json:"label_seconds"`   // steps without a teacher
	Forward           []float64 `json:"teacher_seconds"` // a teacher's forward pass, its logits and their softmax included
	Online            []float64 `json:"online_seconds"`  // steps with the teacher's forward pass
	Stored            []float64 `json:"stored_seconds"`  // steps on stored log-probabilities, reading and checking them included
	OnlineRatio       float64   `json:"online_ratio"`    // medians: online / (label + teacher)
	StoredRatio       float64   `json:"stored_ratio"`    // medians: stored / label
	Slowdown          float64   `json:"slowdown"`        // medians: online / label
	// The same ratios of the process's time on processors, which other programs
	// change little; 0 where the system does not say. With several workers their
	// waiting for each other counts.
	OnlineCPURatio float64 `json:"online_cpu_ratio"`
	StoredCPURatio float64 `json:"stored_cpu_ratio"`
}

// Distil measures c's steps on random tokens with a teacher of random weights.
func Distil(ctx context.Context, dev *cpu.Device, c Config, teacher arch.Config, k int, rule op.Distillation) (_ *Distilling, err error) {
	d, err := newDistiller(dev, c, teacher, k, rule)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	r := &Distilling{
		Device: dev.Name(), Model: modelOf(c.Model), Parameters: c.Model.ParameterCount(), Teacher: modelOf(teacher), TeacherParameters: teacher.ParameterCount(),
		K: k, Batch: c.Batch, Seq: c.Seq, Precision: c.Precision.String(), Temperature: rule.Temperature, Workers: dev.Workers(),
	}
	var cpuTime [4][]float64
	for i := range c.WarmUp + c.Steps {
		for j, part := range []struct {
			run func() error
			to  *[]float64
		}{{d.label, &r.Label}, {d.forward, &r.Forward}, {d.online, &r.Online}, {d.stored, &r.Stored}} {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			start, busy := time.Now(), processTime()
			if err := part.run(); err != nil {
				return nil, err
			}
			if i >= c.WarmUp {
				*part.to = append(*part.to, time.Since(start).Seconds())
				cpuTime[j] = append(cpuTime[j], (processTime() - busy).Seconds())
			}
		}
	}
	if busy := Median(cpuTime[0]); busy > 0 {
		r.OnlineCPURatio, r.StoredCPURatio = Median(cpuTime[2])/(busy+Median(cpuTime[1])), Median(cpuTime[3])/busy
	}
	label, online := Median(r.Label), Median(r.Online)
	r.OnlineRatio, r.StoredRatio, r.Slowdown = online/(label+Median(r.Forward)), Median(r.Stored)/label, online/label
	return r, nil
}

// String is the measurement in a few lines.
func (r *Distilling) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "device            %s\n", r.Device)
	fmt.Fprintf(&b, "model             %.1f M parameters, teacher %.1f M, %d×%d tokens, %s, temperature %g\n",
		float64(r.Parameters)/1e6, float64(r.TeacherParameters)/1e6, r.Batch, r.Seq, r.Precision, r.Temperature)
	for _, row := range []struct {
		name    string
		seconds []float64
	}{{"label step", r.Label}, {"teacher forward", r.Forward}, {"online step", r.Online}, {"stored step", r.Stored}} {
		fmt.Fprintf(&b, "%-17s %.3f s median of %d (%.3f to %.3f)\n", row.name, Median(row.seconds), len(row.seconds), slices.Min(row.seconds), slices.Max(row.seconds))
	}
	fmt.Fprintf(&b, "online            %.3f of label step and teacher forward, %.2f times a label step\n", r.OnlineRatio, r.Slowdown)
	fmt.Fprintf(&b, "stored            %.3f of a label step, top %d\n", r.StoredRatio, r.K)
	if r.OnlineCPURatio > 0 {
		fmt.Fprintf(&b, "processor time    online %.3f, stored %.3f\n", r.OnlineCPURatio, r.StoredCPURatio)
	}
	return b.String()
}

// variant is a student's program; several share weights and moments.
type variant struct {
	graph *arch.Graph
	vm    *engine.VM
}

// distiller holds a student with three programs, and a teacher.
type distiller struct {
	*stepper
	variants        [3]variant // label, online, stored
	teacher         *stepper   // its weights alone; its program goes to the logits
	hidden          *arch.Graph
	hiddenVM        *engine.VM
	file            *topk.File
	dir             string
	ids             []int32
	logp            []float32
	optionsOfEngine engine.Options
}

func newDistiller(dev *cpu.Device, c Config, teacher arch.Config, k int, rule op.Distillation) (_ *distiller, err error) {
	if teacher.VocabSize != c.Model.VocabSize || k < 1 || k > c.Model.VocabSize {
		return nil, fmt.Errorf("a teacher with a vocabulary of %d and k %d for a student with one of %d", teacher.VocabSize, k, c.Model.VocabSize)
	}
	d := &distiller{optionsOfEngine: engine.Options{Precision: c.Precision, Recompute: c.Recompute, Profile: true, ReuseGradients: true}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.stepper, err = newStepper(dev, c); err != nil {
		return nil, err
	}
	d.variants[0] = variant{d.graph, d.vm}
	if err := d.makeTeacher(dev, c, teacher); err != nil {
		return nil, err
	}
	if err := d.compileVariant(1, arch.Distil(rule, teacher.Dim)); err != nil {
		return nil, err
	}
	if err := d.compileVariant(2, arch.DistilTop(rule, k)); err != nil {
		return nil, err
	}
	return d, d.makeFile(k)
}

// makeTeacher compiles a teacher's two programs: to its logits and their loss, and
// to what its head reads.
func (d *distiller) makeTeacher(dev *cpu.Device, c Config, teacher arch.Config) error {
	var shapes []engine.Parameter
	for _, p := range teacher.Parameters() {
		shapes = append(shapes, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	c.Model = teacher
	d.teacher = &stepper{config: c, dev: dev}
	var err error
	if d.teacher.weights, err = engine.NewWeights(dev, shapes, engine.WeightOptions{BF16: c.Precision == engine.PrecisionBF16}); err != nil {
		return err
	}
	if d.teacher.graph, err = teacher.BuildScoring(c.Batch, c.Seq); err != nil {
		return err
	}
	p := engine.Program{Outputs: []*gorgonia.Node{d.teacher.graph.Loss}, Weights: d.teacher.weights}
	if d.teacher.vm, err = engine.Compile(p, dev, d.optionsOfEngine); err != nil {
		return err
	}
	if err := errors.Join(d.teacher.initialise(), d.teacher.writeInputs()); err != nil {
		return err
	}
	if d.hidden, err = teacher.BuildHidden(c.Batch, c.Seq); err != nil {
		return err
	}
	p.Outputs = []*gorgonia.Node{d.hidden.Hidden}
	if d.hiddenVM, err = engine.Compile(p, dev, d.optionsOfEngine); err != nil {
		return err
	}
	copy(d.hiddenVM.Input(d.hidden.Tokens).Ids(), d.vm.Input(d.graph.Tokens).Ids())
	return nil
}

func (d *distiller) compileVariant(i int, option arch.Option) error {
	g, err := d.config.Model.BuildTraining(d.config.Batch, d.config.Seq, option)
	if err != nil {
		return err
	}
	p := engine.Program{Outputs: []*gorgonia.Node{g.Loss, g.Teacher.Label}, Gradients: g.Gradients, Weights: d.weights}
	if g.Teacher.Hidden != nil {
		p.Bound = map[*gorgonia.Node]*engine.Tensor{
			g.Teacher.Hidden: d.hiddenVM.Output(d.hidden.Hidden),
			g.Teacher.Head:   d.teacher.weights.Value(d.teacher.config.Model.HeadParameter()),
		}
	}
	vm, err := engine.Compile(p, d.dev, d.optionsOfEngine)
	if err != nil {
		return err
	}
	d.variants[i] = variant{g, vm}
	label := d.variants[0]
	copy(vm.Input(g.Tokens).Ids(), label.vm.Input(label.graph.Tokens).Ids())
	copy(vm.Input(g.Targets).Ids(), label.vm.Input(label.graph.Targets).Ids())
	copy(vm.Input(g.Scale).Float32s(), label.vm.Input(label.graph.Scale).Float32s())
	return nil
}

// makeFile stores random log-probabilities for the step's windows.
func (d *distiller) makeFile(k int) (err error) {
	c := d.config
	if d.dir, err = os.MkdirTemp("", "mobilellm-bench"); err != nil {
		return err
	}
	w, err := topk.Create(d.dir, topk.Meta{
		K: k, Vocab: c.Model.VocabSize, Seq: c.Seq, Tokens: int64(c.Batch * c.Seq),
		Tokenizer: strings.Repeat("0", 16), Text: strings.Repeat("0", 64), Teacher: strings.Repeat("0", 64),
	}, 1)
	if err != nil {
		return err
	}
	d.ids, d.logp = make([]int32, c.Batch*c.Seq*k), make([]float32, c.Batch*c.Seq*k)
	rng := rand.New(rand.NewPCG(4, 5))
	for i := range d.ids {
		d.ids[i] = int32((i/k*7919 + i%k*104729) % c.Model.VocabSize) // distinct in a row, as 104729 is prime
		d.logp[i] = -float32(math.Log(float64(k))) - rng.Float32()
	}
	for w.Blocks() < w.Meta().Blocks() {
		from, n := int(w.Blocks())*c.Seq*k, c.Seq*k
		if err := w.Append(d.ids[from:from+n], d.logp[from:from+n]); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	if err := w.Finish(); err != nil {
		return err
	}
	d.file, err = topk.Open(d.dir)
	return err
}

// run makes a step with one of the student's programs.
func (d *distiller) run(i int) error {
	d.graph, d.vm = d.variants[i].graph, d.variants[i].vm
	_, err := d.step()
	return err
}

func (d *distiller) label() error   { return d.run(0) }
func (d *distiller) forward() error { return d.teacher.vm.RunAll() }

func (d *distiller) online() error {
	if err := d.hiddenVM.RunAll(); err != nil {
		return err
	}
	return d.run(1)
}

func (d *distiller) stored() error {
	if err := d.file.Read(d.ids, d.logp, 0); err != nil {
		return err
	}
	v := d.variants[2]
	copy(v.vm.Input(v.graph.Teacher.IDs).Ids(), d.ids)
	copy(v.vm.Input(v.graph.Teacher.LogP).Float32s(), d.logp)
	return d.run(2)
}

func (d *distiller) close() error {
	var errs []error
	for _, v := range d.variants {
		if v.vm != nil {
			errs = append(errs, v.vm.Close())
		}
	}
	if d.hiddenVM != nil {
		errs = append(errs, d.hiddenVM.Close())
	}
	if d.teacher != nil {
		if d.teacher.vm != nil {
			errs = append(errs, d.teacher.vm.Close())
		}
		if d.teacher.weights != nil {
			errs = append(errs, d.teacher.weights.Close())
		}
	}
	if d.stepper != nil {
		errs = append(errs, d.weights.Close())
	}
	if d.file != nil {
		errs = append(errs, d.file.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
