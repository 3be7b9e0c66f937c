package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/gguf"
	"mobilellm/export"
	"mobilellm/internal/atomicfile"
)

// WriteAdapter writes an adapter of a model by itself, for the model as [Write] writes it:
// in format [HF] PEFT's folder, in [GGUF] a file for llama.cpp's --lora. Shared layers are
// unrolled.
func WriteAdapter(m *export.Model, a *checkpoint.Adapter, o Options) (notes []string, err error) {
	if _, err := os.Lstat(o.Out); err == nil {
		return nil, fmt.Errorf("%s exists already\nhint: remove it, or give another path", o.Out)
	}
	u, c, err := m.UnrolledAdapter(a)
	if err != nil {
		return nil, err
	}
	if shared := m.Config.LayerSharing; shared.Shared() {
		notes = append(notes, fmt.Sprintf("shared layers (%s, %d times) are unrolled to %d layers, which share their adapter's values", shared.Strategy, shared.Repeat, u.Config.Layers))
	}
	switch o.Format {
	case HF:
		for i := range c.Tensors {
			c.Tensors[i].DType = dtypes[o.Type]
		}
		return notes, checkpoint.SaveAdapter(o.Out, c)
	case GGUF:
		t, err := gguf.ParseType(o.Type)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(gguf.AdapterTypes(), t) {
			return nil, fmt.Errorf("type %q is not one of an adapter: choose %s", o.Type, gguf.AdapterTypeNames())
		}
		g := gguf.AdapterContents{Config: u.Config, LoRA: c.LoRA.Resolved(), A: map[string][]float32{}, B: map[string][]float32{}}
		values := map[string][]float32{}
		for _, t := range c.Tensors {
			values[t.Name] = t.Data
		}
		for _, p := range u.Config.Parameters() {
			if a, ok := values[arch.AdapterName(p.Name, arch.AdapterA)]; ok {
				g.A[p.Name], g.B[p.Name] = a, values[arch.AdapterName(p.Name, arch.AdapterB)]
			}
		}
		return notes, atomicfile.WriteFunc(o.Out, func(w io.Writer) error { return gguf.WriteAdapter(w, g, t) })
	}
	return nil, errors.New("an adapter by itself is written as hf or gguf\nhint: --merge-adapter writes the model with it in any format")
}
