package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/data/topk"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/filelock"
	"mobilellm/tokenizer"
)

// TeachOptions say what a teacher stores of a text.
type TeachOptions struct {
	Teacher string // model folder
	Shards  string // token shards: a folder or one
	Out     string // folder of the result
	K       int    // log-probabilities of a position
	Seq     int    // tokens in a window
	Rows    int    // windows at once; 0 takes about 4096 tokens
	Device  string // auto, cpu or cuda
	Workers int    // threads; 0 is as many as there are processors

	// Progress, when not nil, hears of tokens done and in all.
	Progress func(done, total int64)
	Notes    func(format string, args ...any) // when not nil
}

// Taught is what came of it.
type Taught struct {
	topk.Meta
	Bytes int64   `json:"bytes"`
	Share float64 `json:"share"` // mean probability that a position's k hold together
}

// teachTokens is what passes a teacher at once.
const teachTokens = 4096

// Teach stores a teacher's largest log-probabilities of every position of a text in
// o.Out, where package topk reads them. Each window of o.Seq tokens, counted from
// the text's first, is read by itself. Where ctx ends, what is done stays, and the
// next Teach with equal options goes on with it.
func Teach(ctx context.Context, o TeachOptions) (_ *Taught, err error) {
	model, tok, meta, err := o.open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	if err := os.MkdirAll(o.Out, 0o777); err != nil {
		return nil, err
	}
	lock, err := filelock.Hold(filepath.Join(o.Out, filelock.Name), "folder "+o.Out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	text, err := data.OpenTokens(ctx, o.Shards, tok, model.Config.VocabSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, text.Close()) }()
	meta.Tokens, meta.Text = text.Len(), text.StreamSum()
	if o.Rows == 0 {
		o.Rows = max(1, teachTokens/o.Seq)
	}
	w, err := topk.Create(o.Out, meta, o.Rows)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if w.Blocks() < meta.Blocks() {
		if err := o.run(ctx, model, text, w); err != nil {
			return nil, err
		}
	}
	if err := w.Finish(); err != nil {
		return nil, err
	}
	return &Taught{Meta: meta, Bytes: meta.Size(), Share: w.Share()}, nil
}

// open checks everything that can be told before the text is read.
func (o *TeachOptions) open() (_ *checkpoint.Model, _ *tokenizer.Tokenizer, meta topk.Meta, err error) {
	if err := errors.Join(atLeast("k", o.K, 1), atLeast("seq", o.Seq, 1), atLeast("rows", o.Rows, 0)); err != nil {
		return nil, nil, meta, err
	}
	model, err := checkpoint.Open(o.Teacher)
	if err != nil {
		return nil, nil, meta, fmt.Errorf("teacher: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, model.Close())
		}
	}()
	c := model.Config
	if o.K > c.VocabSize {
		return nil, nil, meta, fmt.Errorf("k (%d) must be at most the teacher's vocabulary (%d)", o.K, c.VocabSize)
	}
	if o.Seq > c.Context {
		return nil, nil, meta, fmt.Errorf("teacher %s has a context of %d tokens, fewer than a window of %d\nhint: --seq %d", o.Teacher, c.Context, o.Seq, c.Context)
	}
	tok, err := model.Tokenizer()
	if err != nil {
		return nil, nil, meta, fmt.Errorf("teacher %s: %w\nhint: the folder must hold the tokenizer that the teacher was trained with", o.Teacher, err)
	}
	made, err := data.ShardTokenizer(o.Shards)
	if err != nil {
		return nil, nil, meta, err
	}
	if made != tok.Fingerprint() {
		return nil, nil, meta, fmt.Errorf("the token shards %s were made with tokenizer %s, teacher %s has tokenizer %s\nhint: make shards with the teacher's: mobilellm-data tokenize --tokenizer %s",
			o.Shards, made, o.Teacher, tok.Fingerprint(), o.Teacher)
	}
	sum, err := model.Sum()
	if err != nil {
		return nil, nil, meta, fmt.Errorf("teacher: %w", err)
	}
	return model, tok, topk.Meta{K: o.K, Vocab: c.VocabSize, Seq: o.Seq, Tokenizer: tok.Fingerprint(), Teacher: sum}, nil
}

// run computes the windows that are left.
func (o *TeachOptions) run(ctx context.Context, model *checkpoint.Model, text *data.TokenCorpus, w *topk.Writer) (err error) {
	dev, err := device.Open(o.Device, o.Workers, func(text string) { o.note("%s", text) })
	if err != nil {
		return err
	}
	defer dev.Close()
	t, err := newTeacher(model.Config, o.Rows, o.Seq, o.K, dev, engine.Options{Precision: teacherPrecision(engine.PrecisionF32, dev)})
	if _, away := dev.(device.Accelerator); err != nil && away {
		return fmt.Errorf("%w\nhint: --device cpu", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.load(model); err != nil {
		return err
	}
	o.note("%s: teacher of %.1fM parameters, %d windows of %d tokens, %d done", dev.Name(), float64(model.Config.ParameterCount())/1e6, w.Meta().Blocks(), o.Seq, w.Blocks())
	buffers := o.buffers()
	for w.Blocks() < w.Meta().Blocks() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("teach: %w\nhint: the same command goes on behind the %d windows that are done", err, w.Blocks())
		}
		if err := o.windows(t, text, w, buffers); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(min(w.Blocks()*int64(o.Seq), text.Len()), text.Len())
		}
	}
	return nil
}

func (o *TeachOptions) note(format string, args ...any) {
	if o.Notes != nil {
		o.Notes(format, args...)
	}
}

// teachBuffers are what goes in and comes out of a teacher at once.
type teachBuffers struct {
	tokens, ids   []int32
	numbers, logp []float32 // ids as numbers
}

func (o *TeachOptions) buffers() teachBuffers {
	n := o.Rows * o.Seq
	return teachBuffers{make([]int32, n), make([]int32, n*o.K), make([]float32, n*o.K), make([]float32, n*o.K)}
}

// windows computes and writes the next windows, as many as pass at once. Those
// behind the text's end are of token 0 and are not written.
func (o *TeachOptions) windows(t *teacher, text *data.TokenCorpus, w *topk.Writer, b teachBuffers) error {
	at := w.Blocks() * int64(o.Seq)
	n := min(int64(len(b.tokens)), text.Len()-at)
	clear(b.tokens[n:])
	text.Read(b.tokens[:n], at)
	err := engine.WriteIDs(t.vm.Input(t.graph.Tokens), b.tokens, t.config.VocabSize)
	if err == nil {
		err = t.vm.RunAll()
	}
	if err == nil {
		err = errors.Join(engine.Read(t.vm.Output(t.graph.TopLogP), b.logp), engine.Read(t.vm.Output(t.graph.TopIDs), b.numbers))
	}
	if err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	for i, x := range b.numbers {
		b.ids[i] = int32(x)
	}
	for row := 0; row < o.Rows && w.Blocks() < w.Meta().Blocks(); row++ {
		from, k := row*o.Seq*o.K, w.Positions()*o.K
		if err := w.Append(b.ids[from:from+k], b.logp[from:from+k]); err != nil {
			return err
		}
	}
	return nil
}
