package train

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/engine/op"
)

// Distil is the `distil:` section: learning from a teacher besides the text
// (paper, section 3.5). With neither teacher nor shards a run has none.
type Distil struct {
	Teacher     string  `yaml:"teacher" help:"Model folder of a teacher of LLaMA's architecture, with the model's own tokenizer, that runs on every batch; empty for none."`
	Alpha       float64 `yaml:"alpha" help:"Weight of the text's next token in the loss, 0 to 1; the teacher's distribution has the rest."`
	Temperature float64 `yaml:"temperature" help:"Divides both models' logits before they are compared; the teacher's part of the loss is multiplied by its square."`
}

func (d Distil) on() bool { return d.Teacher != "" }

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
	if !d.on() && d != DefaultRun().Distil {
		errs = append(errs, errors.New("the section distil has no teacher\nhint: name its model folder in distil.teacher"))
	}
	return errors.Join(errs...)
}

// teacherConfig is the shape of the teacher that runs at every step, from its
// config.json alone, and an error where c's model cannot learn from it.
func (c *RunConfig) teacherConfig() (arch.Config, error) {
	dir := c.Distil.Teacher
	t, _, err := checkpoint.ReadConfig(filepath.Join(dir, checkpoint.ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return t, fmt.Errorf("distil.teacher (%s) is no model folder: %w\nhint: name a Hugging Face folder of a LLaMA model, or a run's checkpoint", dir, err)
	}
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
	model = c.Model.TrainingFLOPs(c.Data.Seq)
	if c.Distil.Teacher == "" {
		return model, 0, nil
	}
	t, err := c.teacherConfig()
	if err != nil {
		return 0, 0, err
	}
	return model, t.ForwardFLOPs(c.Data.Seq), nil
}
