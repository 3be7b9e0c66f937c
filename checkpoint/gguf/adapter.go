package gguf

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint/rotary"
)

// AdapterTypes are the types that an adapter may be written in.
func AdapterTypes() []Type { return []Type{F32, F16, BF16, Q8_0} }

// AdapterContents is a low-rank adapter to be written.
type AdapterContents struct {
	Config arch.Config          // of the model, resolved, without layer sharing
	LoRA   arch.LoRA            // resolved
	A, B   map[string][]float32 // [rank,in] and [out,rank] by the names of the weights
}

// WriteAdapter writes an adapter for llama.cpp's --lora. Rows of B are in the order of the
// weight's in a GGUF file. llama.cpp scales by alpha/rank, so that of rslora alpha is written
// larger.
func WriteAdapter(w io.Writer, m AdapterContents, t Type) error {
	switch {
	case m.Config.FFN != arch.SwiGLU:
		return fmt.Errorf("gguf: a feed-forward network of %s has no place in llama.cpp's llama architecture", m.Config.FFN)
	case m.Config.LayerSharing.Shared():
		return fmt.Errorf("gguf: shared layers (%s) have no place in the format: unroll them first", m.Config.LayerSharing.Strategy)
	case !slices.Contains(AdapterTypes(), t):
		return fmt.Errorf("gguf: an adapter in %s is not supported", t)
	}
	metadata := []keyValue{
		{keyArchitecture, architectureOf(m.Config)},
		{"general.type", "adapter"},
		{"adapter.type", "lora"},
		{"adapter.lora.alpha", float32(m.LoRA.Scale() * float64(m.LoRA.Rank))},
		{keyFileType, t.fileType()},
	}
	if layouts[t].halves > 0 {
		metadata = append(metadata, keyValue{keyQuantVersion, uint32(quantVersion)})
	}
	var list []output
	for _, p := range m.Config.Parameters() {
		a, ok := m.A[p.Name]
		if !ok {
			continue
		}
		b, name, rank := m.B[p.Name], tensorName(p), m.LoRA.Rank
		if heads := rotatedHeads(m.Config, p); heads > 0 {
			b = rotary.ToNeighbours(b, heads, m.Config.HeadDim)
		}
		list = append(list, factor(name+".lora_a", a, []int{rank, p.Shape[1]}, t), factor(name+".lora_b", b, []int{p.Shape[0], rank}, t))
	}
	return writeFile(w, metadata, list)
}

// factor is a factor of an adapter; rows that are no whole blocks are float16.
func factor(name string, x []float32, shape []int, t Type) output {
	if !t.Fits(shape[1]) {
		t = F16
	}
	return output{name: name, shape: shape, typ: t, data: func() []float32 { return x }}
}

// AdapterTypeNames lists the types' names.
func AdapterTypeNames() string {
	var names []string
	for _, t := range AdapterTypes() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}
