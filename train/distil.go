package train

import (
	"errors"
	"fmt"
	"math"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/data/topk"
	"mobilellm/engine/op"
)

// Distil is the `distil:` section: learning from a teacher besides the text
// (paper, section 3.5). With neither teacher nor shards a run has none.
type Distil struct {
	Teacher     string  `yaml:"teacher" help:"Teacher of LLaMA's architecture, with the model's own tokenizer, that runs on every batch: a Hugging Face folder, a GGUF file, a run's folder or a checkpoint; empty for none."`
	Shards      string  `yaml:"shards" help:"Folder of what a teacher stored of data.train by mobilellm-data teach, which is read instead of running it; with a teacher too, that must be the one."`
	TopK        int     `yaml:"top_k" help:"Log-probabilities of a position that the shards must hold; 0 takes what they have."`
	Alpha       float64 `yaml:"alpha" help:"Weight of the text's next token in the loss, 0 to 1; the teacher's distribution has the rest."`
	Temperature float64 `yaml:"temperature" help:"Divides both models' logits before they are compared; the teacher's part of the loss is multiplied by its square."`
}

func (d Distil) on() bool { return d.Teacher != "" || d.Shards != "" }

// runsTeacher says whether the teacher runs at every step.
func (d Distil) runsTeacher() bool { return d.Teacher != "" && d.Shards == "" }

func (d Distil) rule() op.Distillation {
	return op.Distillation{Alpha: d.Alpha, Temperature: d.Temperature}
}

func (d Distil) validate() error {
	var errs []error
	if !(d.Alpha >= 0 && d.Alpha <= 1) {
		errs = append(errs, fmt.Errorf("distil.alpha (%g) must lie in 0 to 1", d.Alpha))
	}
	if !(d.Temperature > 0) || math.IsInf(d.Temperature, 0) {
		errs = append(errs, fmt.Errorf("distil.temperature (%g) must be a positive number", d.Temperature))
	}
	if d.TopK < 0 {
		errs = append(errs, fmt.Errorf("distil.top_k (%d) must not be negative", d.TopK))
	}
	if d.TopK > 0 && d.Shards == "" {
		errs = append(errs, fmt.Errorf("distil.top_k (%d) is of distil.shards, which is empty: a teacher that runs gives its whole distribution", d.TopK))
	}
	if !d.on() && d != DefaultRun().Distil {
		errs = append(errs, errors.New("the section distil has no teacher\nhint: name its model folder in distil.teacher, or what it stored in distil.shards"))
	}
	return errors.Join(errs...)
}

// teacherConfig is the shape of the teacher that runs at every step, for which its
// weights need not be there, and an error where c's model cannot learn from it.
func (c *RunConfig) teacherConfig() (arch.Config, error) {
	dir := c.Distil.Teacher
	t, err := checkpoint.ConfigOf(dir)
	if err != nil {
		return t, fmt.Errorf("distil.teacher: %w", err)
	}
	if t.VocabSize != c.Model.VocabSize {
		return t, fmt.Errorf("distil.teacher (%s) has a vocabulary of %d, model.vocab_size is %d: a teacher's ids must be the model's own\nhint: train with the teacher's tokenizer: --set data.tokenizer=%s --set model.vocab_size=%d",
			dir, t.VocabSize, c.Model.VocabSize, dir, t.VocabSize)
	}
	if t.Context < c.Data.Seq {
		return t, fmt.Errorf("distil.teacher (%s) has a context of %d tokens, fewer than data.seq (%d)\nhint: --set data.seq=%d", dir, t.Context, c.Data.Seq, t.Context)
	}
	return t, nil
}

// flopsPerToken are those of a step: of the model, forward and backward, and of
// a teacher's forward pass.
func (c *RunConfig) flopsPerToken() (model, teacher int64, err error) {
	t, err := c.parameters()
	if err != nil {
		return 0, 0, err
	}
	model = c.Model.PartialTrainingFLOPs(c.Data.Seq, func(name string) bool { return t.frozen[name] }, t.adapters)
	if !c.Distil.runsTeacher() {
		return model, 0, nil
	}
	taught, err := c.teacherConfig()
	if err != nil {
		return 0, 0, err
	}
	return model, taught.ForwardFLOPs(c.Data.Seq), nil
}

// validateShards reports where what a teacher stored could not be read beside the
// samples: it stored windows of the tokens as they follow each other.
func (c *RunConfig) validateShards() error {
	switch {
	case c.Distil.Shards == "":
		return nil
	case len(c.Data.Train) != 1:
		return fmt.Errorf("distil.shards (%s) needs data.train to be the one folder of token shards that was taught, it has %d entries\nhint: distil.teacher without distil.shards takes any text", c.Distil.Shards, len(c.Data.Train))
	case c.Data.Packing == data.PackDocuments:
		return fmt.Errorf("distil.shards (%s) and data.packing (%s) exclude each other: a teacher stores windows of the stream\nhint: distil.teacher without distil.shards takes any packing", c.Distil.Shards, c.Data.Packing)
	case c.Data.DocumentMask:
		return fmt.Errorf("distil.shards (%s) and data.document_mask exclude each other: the targets were made with the documents before in sight\nhint: distil.teacher without distil.shards keeps to the mask", c.Distil.Shards)
	}
	return nil
}

// openShards opens what a teacher stored, and gives an error where c's model
// cannot learn from it.
func (c *RunConfig) openShards() (*topk.File, error) {
	d := c.Distil
	f, err := topk.Open(d.Shards)
	if err != nil {
		return nil, fmt.Errorf("distil.shards: %w", err)
	}
	bad := func(format string, args ...any) error {
		return errors.Join(fmt.Errorf("distil.shards ("+d.Shards+") "+format, args...), f.Close())
	}
	switch {
	case d.TopK > 0 && d.TopK != f.K:
		return nil, bad("hold %d log-probabilities of a position, distil.top_k is %d\nhint: mobilellm-data teach --k %d makes them anew", f.K, d.TopK, d.TopK)
	case f.Vocab != c.Model.VocabSize:
		return nil, bad("are of a vocabulary of %d, model.vocab_size is %d\nhint: --set model.vocab_size=%d", f.Vocab, c.Model.VocabSize, f.Vocab)
	case f.Seq != c.Data.Seq:
		return nil, bad("were taught in windows of %d tokens, data.seq is %d\nhint: --set data.seq=%d, or mobilellm-data teach --seq %d", f.Seq, c.Data.Seq, f.Seq, c.Data.Seq)
	}
	return f, nil
}
