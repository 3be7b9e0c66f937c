package train

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/engine/op"
	"mobilellm/tokenizer"
)

// teacher is the model that a run learns from at every step. Its weights have no
// gradients, are not updated and not saved.
type teacher struct {
	config  arch.Config
	weights *engine.Weights
	graph   *arch.Graph
	vm      *engine.VM
}

// teacherPrecision is bf16 wherever it is no slower: nothing is summed up over a
// teacher's steps.
func teacherPrecision(student engine.Precision, dev device.Device) engine.Precision {
	if student == engine.PrecisionBF16 || dev.FastBF16() {
		return engine.PrecisionBF16
	}
	return engine.PrecisionF32
}

// newTeacher takes memory for a teacher's weights, yet to be loaded, and compiles
// its forward pass: up to what its head reads or, for k above 0, to each token's k
// largest log-probabilities.
func newTeacher(config arch.Config, rows, seq, k int, dev device.Device, o engine.Options, options ...arch.Option) (_ *teacher, err error) {
	t := &teacher{config: config}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("teacher: %w", err), t.close())
		}
	}()
	t.weights, err = newWeights(dev, config.Parameters(), engine.WeightOptions{BF16: o.Precision == engine.PrecisionBF16})
	if err != nil {
		return nil, err
	}
	program := engine.Program{Weights: t.weights}
	if k > 0 {
		if t.graph, err = config.BuildTop(rows, seq, k, options...); err != nil {
			return nil, err
		}
		program.Outputs = []*gorgonia.Node{t.graph.TopLogP, t.graph.TopIDs}
	} else {
		if t.graph, err = config.BuildHidden(rows, seq, options...); err != nil {
			return nil, err
		}
		program.Outputs = []*gorgonia.Node{t.graph.Hidden}
	}
	t.vm, err = engine.Compile(program, dev, o)
	return t, err
}

func (t *teacher) load(m *checkpoint.Model) error {
	for _, p := range t.config.Parameters() {
		load := func(dst []float32) error { return m.LoadInto(p.Name, dst, p.Shape) }
		if err := engine.Fill(t.weights.Value(p.Name), load); err != nil {
			return fmt.Errorf("teacher: %w", err)
		}
	}
	t.weights.Changed()
	return nil
}

// hidden is what the teacher's head reads after a run, and head the head.
func (t *teacher) hidden() *engine.Tensor { return t.vm.Output(t.graph.Hidden) }
func (t *teacher) head() *engine.Tensor   { return t.weights.Value(t.config.HeadParameter()) }

func (t *teacher) bytes() int64 { return t.weights.Bytes() + t.vm.Bytes() }

// run computes the hidden states of a batch's rows from the first on.
func (t *teacher) run(b *data.Batch, first int) error {
	tokens := t.vm.Input(t.graph.Tokens)
	err := engine.WriteIDs(tokens, b.Inputs[first*b.Seq:][:tokens.Len()], t.config.VocabSize)
	if err == nil && t.graph.Starts != nil {
		err = writeStarts(t.vm.Input(t.graph.Starts), b, first)
	}
	if err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	if err := t.vm.RunAll(); err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	return nil
}

func (t *teacher) close() error {
	var errs []error
	if t.vm != nil {
		errs = append(errs, t.vm.Close())
	}
	if t.weights != nil {
		errs = append(errs, t.weights.Close())
	}
	return errors.Join(errs...)
}

// lesson is what a training program learns besides the text; nil for nothing.
type lesson struct {
	rule    op.Distillation
	teacher *teacher // that runs, or nil
	k       int      // log-probabilities stored of a position, if none runs
	stored  int64    // bytes of the batches that the loader holds of them
}

// option is the lesson's part of the graph.
func (l *lesson) option() arch.Option {
	if l.teacher == nil {
		return arch.DistilTop(l.rule, l.k)
	}
	return arch.Distil(l.rule, l.teacher.config.Dim)
}

// bind lets the program read the teacher's memory.
func (l *lesson) bind(g *arch.Graph, p *engine.Program) {
	p.Outputs = append(p.Outputs, g.Teacher.Label)
	if l.teacher == nil {
		return
	}
	p.Bound = map[*gorgonia.Node]*engine.Tensor{g.Teacher.Hidden: l.teacher.hidden(), g.Teacher.Head: l.teacher.head()}
}

// prepare makes the program's inputs for a batch's rows from the first on.
func (l *lesson) prepare(p *program, b *data.Batch, first int) error {
	if l.teacher == nil {
		t := p.graph.Teacher
		ids, logp, at := p.vm.Input(t.IDs), p.vm.Input(t.LogP), first*b.Seq*l.k
		return errors.Join(engine.WriteIDs(ids, b.TopIDs[at:at+ids.Len()], p.vocab), engine.Write(logp, b.TopLogP[at:at+logp.Len()]))
	}
	start := time.Now()
	if err := l.teacher.run(b, first); err != nil {
		return err
	}
	if profile := p.vm.Profile(); profile != nil {
		profile.Add("teacher", time.Since(start))
	}
	return nil
}

func (l *lesson) bytes() int64 {
	switch {
	case l == nil:
		return 0
	case l.teacher == nil:
		return l.stored
	}
	return l.teacher.bytes()
}

func (l *lesson) close() error {
	if l == nil || l.teacher == nil {
		return nil
	}
	return l.teacher.close()
}

// newLesson lays out what c learns from besides the text, nil for nothing.
func newLesson(c *RunConfig, rows int, student engine.Precision, dev device.Device, planOnly bool) (*lesson, error) {
	if !c.Distil.on() {
		return nil, nil
	}
	if c.Distil.Shards != "" {
		f, err := c.openShards()
		if err != nil {
			return nil, err
		}
		const number = 4 // bytes of an id, and of a log-probability
		stored := data.LoaderBatches * c.stepTokens() * int64(f.K) * 2 * number
		return &lesson{rule: c.Distil.rule(), k: f.K, stored: stored}, f.Close()
	}
	config, err := c.teacherConfig()
	if err != nil {
		return nil, err
	}
	o := engine.Options{Precision: teacherPrecision(student, dev), PlanOnly: planOnly}
	t, err := newTeacher(config, rows, c.Data.Seq, 0, dev, o, maskOptions(c)...)
	if err != nil {
		return nil, err
	}
	return &lesson{rule: c.Distil.rule(), teacher: t}, nil
}

// openTeacher opens the teacher's folder, or what it stored, before any other work
// is done.
func (r *run) openTeacher() error {
	if r.c.Distil.Shards != "" {
		var err error
		if r.shards, err = r.c.openShards(); err != nil {
			return err
		}
		r.teacherSum = r.shards.Teacher
	}
	if r.c.Distil.Teacher != "" {
		if err := r.openTeacherModel(); err != nil {
			return err
		}
	}
	return r.compareTeacher()
}

func (r *run) openTeacherModel() error {
	dir := r.c.Distil.Teacher
	if _, err := r.c.teacherConfig(); err != nil {
		return err
	}
	var err error
	if r.taught, err = checkpoint.Open(dir); err != nil {
		return fmt.Errorf("distil.teacher: %w", err)
	}
	r.teacherTokenizer, err = r.taught.Tokenizer()
	if err != nil {
		return fmt.Errorf("distil.teacher (%s): %w\nhint: the folder must hold the tokenizer that the teacher was trained with", dir, err)
	}
	if r.teacherSum, err = r.taught.Sum(); err != nil {
		return fmt.Errorf("distil.teacher: %w", err)
	}
	if f := r.shards; f != nil && f.Teacher != r.teacherSum {
		return fmt.Errorf("distil.shards (%s) were taught by a model of checksum %.16s…, distil.teacher (%s) has %.16s…\nhint: leave distil.teacher out, or teach anew with mobilellm-data teach",
			r.c.Distil.Shards, f.Teacher, dir, r.teacherSum)
	}
	return nil
}

// compareTeacher keeps a resumed run to its teacher.
func (r *run) compareTeacher() error {
	if r.from == nil {
		return nil
	}
	before, err := parseRun(r.from.State.Config)
	if err != nil {
		return err
	}
	if before.Run == nil || before.Run.Teacher == r.teacherSum {
		return nil
	}
	return fmt.Errorf("the teacher (%s) has checksum %.16q, checkpoint %s was trained with a teacher of %.16q: a resumed run cannot change it\nhint: a new run can start from its weights with --init",
		cmp.Or(r.c.Distil.Teacher, r.c.Distil.Shards, "none"), r.teacherSum, r.from.Path, before.Run.Teacher)
}

// checkShards holds what a teacher stored to the text that is trained on.
func (r *run) checkShards() error {
	f, dir := r.shards, r.c.Distil.Shards
	if f == nil {
		return nil
	}
	if ours := r.text.Tokenizer.Fingerprint(); f.Tokenizer != ours {
		return fmt.Errorf("distil.shards (%s) were taught with tokenizer %s, the model learns with tokenizer %s (data.tokenizer: %s)\nhint: teach the token shards that are trained on with mobilellm-data teach", dir, f.Tokenizer, ours, r.c.Data.Tokenizer)
	}
	switch sum := r.text.Train.StreamSum(); {
	case r.text.Train.Gaps():
		return fmt.Errorf("distil.shards (%s) were taught on all of data.train (%s), of which documents are left out that are held out too\nhint: name held-out text in data.heldout that data.train does not have", dir, r.c.Data.Train[0].Path)
	case sum == "":
		return fmt.Errorf("distil.shards (%s) needs data.train to be token shards, %s is not\nhint: make them with mobilellm-data tokenize, and teach those", dir, r.c.Data.Train[0].Path)
	case sum != f.Text:
		return fmt.Errorf("distil.shards (%s) were taught on another text than data.train (%s): its checksum is %.16s…, theirs %.16s…\nhint: teach it with mobilellm-data teach", dir, r.c.Data.Train[0].Path, sum, f.Text)
	}
	return nil
}

// checkTeacherTokenizer holds the teacher's ids to the model's own.
func (r *run) checkTeacherTokenizer() error {
	if r.teacherTokenizer == nil {
		return nil
	}
	theirs, ours := r.teacherTokenizer.Fingerprint(), r.text.Tokenizer.Fingerprint()
	if theirs == ours {
		return nil
	}
	return fmt.Errorf("distil.teacher (%s) has tokenizer %s of %d ids, the model learns with tokenizer %s of %d (data.tokenizer: %s): a teacher's ids must be the model's own\nhint: --set data.tokenizer=%s trains with the teacher's",
		r.c.Distil.Teacher, theirs, r.teacherTokenizer.VocabSize(), ours, r.text.Tokenizer.VocabSize(), r.c.Data.Tokenizer, r.c.Distil.Teacher)
}

// makeLesson loads the teacher.
func (r *run) makeLesson() error {
	var err error
	if r.lesson, err = newLesson(&r.c, r.choice.MicroBatch, r.choice.Precision, r.dev, false); err != nil || r.lesson == nil {
		return err
	}
	if f := r.shards; f != nil {
		r.o.Progress.Note("teacher: top-%d tokens of each position from %s, checksum %.16s", f.K, r.c.Distil.Shards, r.teacherSum)
		return nil
	}
	if err := r.lesson.teacher.load(r.taught); err != nil {
		return err
	}
	r.o.Progress.Note("teacher %s: %.1fM parameters, checksum %.16s", r.c.Distil.Teacher, float64(r.lesson.teacher.config.ParameterCount())/1e6, r.teacherSum)
	return nil
}

// tokenizerOfTeacher is the teacher's where data.tokenizer would learn one: no
// other could be used.
func (r *run) tokenizerOfTeacher() *tokenizer.Tokenizer {
	if r.teacherTokenizer == nil || r.c.Data.Tokenizer != data.TokenizerTrain {
		return nil
	}
	r.o.Progress.Note("the tokenizer is that of the teacher")
	return r.teacherTokenizer
}
