package train

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine"
	"mobilellm/internal/bfloat16"
)

// trained is what a run trains of its model, and what it adds to it.
type trained struct {
	model    []arch.Parameter // the model's own
	adapters []arch.Parameter // of a run with adapters
	frozen   map[string]bool
}

// parameters are those of the run's model and of its adapters, with which of them stay as
// they are: with adapters all of the model's own, and what train.freeze names.
func (c *RunConfig) parameters() (t trained, err error) {
	t = trained{model: c.Model.Parameters(), frozen: map[string]bool{}}
	if c.LoRA != nil {
		if t.adapters, err = c.LoRA.Parameters(c.Model); err != nil {
			return t, err
		}
		for _, p := range t.model {
			t.frozen[p.Name] = true
		}
	}
	var errs []error
	for i, pattern := range c.Train.Freeze {
		if err := t.freeze(pattern, c.Model.ShareEmbedding); err != nil {
			errs = append(errs, fmt.Errorf("train.freeze[%d] (%q) %w", i, pattern, err))
		}
	}
	if len(errs) == 0 && len(t.frozen) == len(t.all()) {
		errs = append(errs, fmt.Errorf("train.freeze (%q) leaves nothing to train", c.Train.Freeze))
	}
	return t, errors.Join(errs...)
}

// freeze freezes the parameters that a pattern names.
func (t *trained) freeze(pattern string, tied bool) error {
	matched := false
	for _, p := range t.all() {
		ok, err := path.Match(pattern, p.Name)
		if err != nil {
			return fmt.Errorf("is no pattern: %w", err)
		}
		if ok {
			t.frozen[p.Name], matched = true, true
		}
	}
	switch {
	case matched:
		return nil
	case tied && strings.HasPrefix(pattern, "lm_head"):
		return fmt.Errorf("matches no parameter: the head is the embedding, %s", arch.EmbeddingName)
	}
	return fmt.Errorf("matches no parameter\nhint: names are those of the checkpoint, such as %s and %s, and * stands for any text: model.layers.0.*",
		arch.EmbeddingName, arch.LayerParameterName("mlp.up_proj", 0))
}

// all are the parameters as they lie in memory.
func (t trained) all() []arch.Parameter {
	return append(t.model[:len(t.model):len(t.model)], t.adapters...)
}

// kept are the parameters that a run's checkpoint holds: with adapters those alone.
func (t trained) kept() []arch.Parameter {
	if len(t.adapters) > 0 {
		return t.adapters
	}
	return t.model
}

// narrow reports whether a parameter is held in bf16 alone where matmuls are in bf16: a
// matrix of a block that adapters leave as it is, and that no checkpoint takes from here.
func (t trained) narrow(p arch.Parameter) bool {
	return len(t.adapters) > 0 && p.Adapter == arch.NoAdapter && p.Layer >= 0 && len(p.Shape) == 2 && p.Size()%2 == 0
}

// learning are the parameters that an optimizer updates.
func (t trained) learning() (list []arch.Parameter) {
	for _, p := range t.all() {
		if !t.frozen[p.Name] {
			list = append(list, p)
		}
	}
	return list
}

// String says how many parameters there are and, of a run that does not train them all, how
// many it trains.
func (t trained) String() string {
	all := fmt.Sprintf("%.1fM parameters", float64(values(t.model))/1e6)
	if len(t.frozen) == 0 {
		return all
	}
	if len(t.adapters) > 0 {
		return fmt.Sprintf("%s, adapters of %.2fM", all, float64(values(t.learning()))/1e6)
	}
	return fmt.Sprintf("%s, of which %.2fM are trained", all, float64(values(t.learning()))/1e6)
}

// values is how many values some parameters have.
func values(params []arch.Parameter) (n int64) {
	for _, p := range params {
		n += p.Size()
	}
	return n
}

// options are what they make of a graph.
func (t trained) options(c *RunConfig) (list []arch.Option) {
	if c.LoRA != nil {
		list = append(list, arch.Adapt(*c.LoRA))
	}
	if len(t.frozen) > 0 {
		list = append(list, arch.Freeze(func(name string) bool { return t.frozen[name] }))
	}
	return list
}

// validateTrained reports what keeps a run from training what it is to; the model is valid.
func (c *RunConfig) validateTrained() error {
	if c.LoRA != nil {
		if err := c.LoRA.Validate(); err != nil {
			return err
		}
		if c.Model.Quantize.Rounds() {
			return fmt.Errorf("lora: a model that rounds its weights or activations (model.quantize: %s) has no adapters", c.Model.Quantize)
		}
		if c.Init.Layers.given() || c.Init.WiderVocab {
			return errors.New("lora: adapters are of a model as it is: init.layers and init.wider_vocab make another\nhint: train that first, without lora")
		}
		if len(c.Eval.Quantize) > 0 {
			return fmt.Errorf("eval.quantize (%q) is for a model that learns without lora", c.Eval.Quantize)
		}
	}
	_, err := c.parameters()
	return err
}

// adapterBase is the model that a run with adapters adapts.
type adapterBase struct{ path, fingerprint string }

// openBase looks at the model that adapters are trained on, before any other work.
func (r *run) openBase() (err error) {
	if r.c.LoRA == nil {
		return nil
	}
	base := r.initial
	if r.from != nil {
		if r.from.Adapter == nil {
			return fmt.Errorf("checkpoint %s is of a run without lora", r.from.Path)
		}
		base, r.base.path = r.from.Model, r.from.Adapter.Base
	}
	if base == nil {
		return errors.New("lora: adapters need a model that they adapt\nhint: name it with --init")
	}
	if r.from == nil {
		r.base.path = base.Path
		if err := absolute(&r.base.path); err != nil {
			return err
		}
	}
	r.base.fingerprint, err = base.Fingerprint()
	return err
}

// merged reads the model's parameters, with the adapters in them.
func (r *run) merged() (arch.Load, error) {
	read := func(name string, dst []float32, _ []int) error {
		t := r.weights.Value(name)
		if t.DType != engine.BF16 {
			return engine.Read(t, dst)
		}
		half := make([]uint16, len(dst))
		err := engine.Read(t, half)
		for i, h := range half {
			dst[i] = bfloat16.Float32(h)
		}
		return err
	}
	if r.c.LoRA == nil {
		return read, nil
	}
	copies := r.weightTensors(r.trains.adapters, new(hostBuffer))
	list := make([]safetensors.Tensor, len(copies))
	for i, c := range copies {
		if c.of != nil {
			if err := c.read(); err != nil {
				return nil, err
			}
		}
		list[i] = c.Tensor
	}
	a := checkpoint.NewAdapter(*r.c.LoRA, list)
	return func(name string, dst []float32, shape []int) error {
		err := read(name, dst, shape)
		if err == nil {
			a.Merge(name, 0, dst)
		}
		return err
	}, nil
}

// loadBase reads the model that adapters are trained on, a parameter at a time.
func (r *run) loadBase(m *checkpoint.Model) error {
	var values []float32
	var half []uint16
	shared := &hostBuffer{shared: true}
	for _, p := range r.trains.model {
		t := r.weights.Value(p.Name)
		read := func(dst []float32) error { return m.LoadInto(p.Name, dst, p.Shape) }
		if t.DType != engine.BF16 {
			if err := engine.Fill(t, read); err != nil {
				return err
			}
			continue
		}
		x, h := take(shared, &values, t.Len()), take(shared, &half, t.Len())
		if err := read(x); err != nil {
			return err
		}
		for i, v := range x {
			h[i] = bfloat16.Round(v)
		}
		if err := engine.Write(t, h); err != nil {
			return err
		}
	}
	return nil
}
