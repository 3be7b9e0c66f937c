package train

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// initialChunk is the number of values that one generator draws.
const initialChunk = 1 << 16

// initialise draws the weights a run starts from: normal(0, std), norms 1, as the
// official code does. A value depends on the seed, its parameter's name and its
// place there, so neither the order of parameters nor the number of workers
// changes it.
func initialise(w *engine.Weights, params []arch.Parameter, std float64, seed uint64, dev device.Device) error {
	type chunk struct {
		values []float32
		rng    rand.PCG
	}
	var chunks []chunk
	var away []farWeight
	for _, p := range params {
		t := w.Value(p.Name)
		var values []float32
		if t.OnHost() {
			values = t.Float32s()
		} else {
			values = make([]float32, t.Len())
			away = append(away, farWeight{t, values})
		}
		if p.Of != "" {
			continue // follows from its matrix, see startClips
		}
		if p.Norm {
			for i := range values {
				values[i] = 1
			}
			continue
		}
		h := fnv.New64a()
		h.Write([]byte(p.Name))
		for i := 0; i < len(values); i += initialChunk {
			c := chunk{values: values[i:min(i+initialChunk, len(values))]}
			c.rng.Seed(seed, h.Sum64()+uint64(i/initialChunk)*0x9E3779B97F4A7C15)
			chunks = append(chunks, c)
		}
	}
	dev.For(len(chunks), func(_, i int) {
		r := rand.New(&chunks[i].rng)
		for j := range chunks[i].values {
			chunks[i].values[j] = float32(std * r.NormFloat64())
		}
	})
	for _, d := range away {
		if err := engine.Write(d.to, d.values); err != nil {
			return err
		}
	}
	w.Changed()
	return nil
}

// initialiseAdapters draws the factors that adapters start from, as PEFT does: A from
// Kaiming's uniform distribution with a = √5, which is ±1/√in, and B zero. Values depend on
// the seed, the name and the place, as those of [initialise].
func initialiseAdapters(w *engine.Weights, params []arch.Parameter, seed uint64) error {
	for _, p := range params {
		draw := func(dst []float32) error {
			clear(dst)
			if p.Adapter == arch.AdapterB {
				return nil
			}
			bound := 1 / math.Sqrt(float64(p.Shape[1]))
			h := fnv.New64a()
			h.Write([]byte(p.Name))
			r := rand.New(rand.NewPCG(seed, h.Sum64()))
			for i := range dst {
				dst[i] = float32(bound * (2*r.Float64() - 1))
			}
			return nil
		}
		if err := engine.Fill(w.Value(p.Name), draw); err != nil {
			return err
		}
	}
	return nil
}

// farWeight holds initial values of a weight that is not in host memory.
type farWeight struct {
	to     *engine.Tensor
	values []float32
}

// initialShape is that of the model whose weights a run starts from.
type initialShape struct {
	path  string
	model arch.Config
}

// StartFrom gives c the shape of the model whose weights a new run starts from. Where the
// configuration that is then read into c says otherwise, Validate names both values.
func (c *RunConfig) StartFrom(path string) error {
	shape, err := checkpoint.ConfigOf(path)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	shape.InitStd = cmp.Or(shape.InitStd, c.Model.InitStd) // of no effect
	c.Model, c.initial = shape, &initialShape{path, shape}
	return nil
}

// validateModel reports what keeps the shape from being a model, or the initial one.
func (c *RunConfig) validateModel() error {
	if c.initial != nil {
		if err := c.compareInitial(c.initial.model, c.initial.path); err != nil {
			return err
		}
	}
	return c.Model.Validate()
}

// startClips gives the rows' learned steps and clips of some parameters the values that
// they begin with.
func startClips(w *engine.Weights, c arch.Config, params []arch.Parameter) error {
	shapes := map[string][]int{}
	for _, p := range c.Parameters() {
		shapes[p.Name] = p.Shape
	}
	for _, p := range params {
		matrix := make([]float32, arch.Parameter{Shape: shapes[p.Of]}.Size())
		if err := engine.Read(w.Value(p.Of), matrix); err != nil {
			return err
		}
		if err := quant.Finite(matrix); err != nil {
			return fmt.Errorf("model.quantize: %s: %w", p.Of, err)
		}
		if err := engine.Fill(w.Value(p.Name), func(dst []float32) error {
			c.StartClip(dst, matrix)
			return nil
		}); err != nil {
			return err
		}
	}
	w.Changed()
	return nil
}

// clips are the parameters that the rows of a matrix learn.
func clips(params []arch.Parameter) (list []arch.Parameter) {
	for _, p := range params {
		if p.Of != "" {
			list = append(list, p)
		}
	}
	return list
}
