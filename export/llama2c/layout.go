package llama2c

import (
	"errors"
	"fmt"
	"math"

	"mobilellm/arch"
)

const (
	magic        = 0x616b3432 // "ak42"
	headerV0     = 7 * 4
	headerV1     = 256
	bufferFloats = 1 << 18

	// What the authors' program computes with; files do not say it.
	normEps  = 1e-5
	ropeBase = 10000
)

// Version is the version of a .bin.
type Version int

// The versions that are written and read.
const (
	V0 Version = 0
	V1 Version = 1
)

// section is a run of a file: the parameters of one kind, or numbers that readers
// skip.
type section struct {
	params []arch.Parameter
	skip   int64 // float32s
}

// layout lists the sections of a file in order.
func layout(c arch.Config, v Version) []section {
	byName := map[string]arch.Parameter{}
	for _, p := range c.Parameters() {
		byName[p.Name] = p
	}
	one := func(name string) section { return section{params: []arch.Parameter{byName[name]}} }
	each := func(part string) section {
		var s section
		for layer := range c.Layers {
			s.params = append(s.params, byName[arch.LayerParameterName(part, layer)])
		}
		return s
	}
	embedding, final := one(arch.EmbeddingName), one(arch.NormName)
	attentionNorm, ffnNorm := each("input_layernorm"), each("post_attention_layernorm")
	attention := []section{
		each("self_attn.q_proj"), each("self_attn.k_proj"), each("self_attn.v_proj"), each("self_attn.o_proj"),
	}
	ffn := []section{each("mlp.gate_proj"), each("mlp.down_proj"), each("mlp.up_proj")}

	var list []section
	if v == V0 {
		list = append(list, embedding, attentionNorm)
		list = append(append(append(list, attention...), ffnNorm), ffn...)
		list = append(list, final, section{skip: 2 * int64(c.Context) * int64(c.HeadDim/2)})
	} else {
		list = append(list, attentionNorm, ffnNorm, final, embedding)
		list = append(append(list, attention...), ffn...)
	}
	if !c.ShareEmbedding {
		list = append(list, one(arch.HeadName))
	}
	return list
}

// floats is the number of float32 that a section has.
func (s section) floats() int64 {
	n := s.skip
	for _, p := range s.params {
		n += p.Size()
	}
	return n
}

// header is what both versions begin with, but for the sign of vocab.
type header struct {
	dim, ffn, layers, heads, kvHeads, vocab, context int32
}

func (h *header) fields() []*int32 {
	return []*int32{&h.dim, &h.ffn, &h.layers, &h.heads, &h.kvHeads, &h.vocab, &h.context}
}

// config is the model that a header describes.
func (h *header) config(tied bool) (arch.Config, error) {
	for i, f := range h.fields() {
		if *f <= 0 {
			return arch.Config{}, fmt.Errorf("field %d of the header (%d) must be positive; is it a file of llama2.c?", i, *f)
		}
	}
	c := arch.Default()
	c.Dim, c.FFNDim, c.Layers, c.Heads = int(h.dim), int(h.ffn), int(h.layers), int(h.heads)
	c.KVHeads, c.VocabSize, c.Context = int(h.kvHeads), int(h.vocab), int(h.context)
	c.NormEps, c.RoPEBase, c.ShareEmbedding = normEps, ropeBase, tied
	if err := c.Validate(); err != nil {
		return c, err
	}
	return c.Resolved(), nil
}

// representable reports what the format cannot say.
func representable(c arch.Config) error {
	for _, size := range []int{c.Dim, c.FFNDim, c.Layers, c.Heads, c.KVHeads, c.VocabSize, c.Context} {
		if size > math.MaxInt32 {
			return fmt.Errorf("llama2.c: a size of %d does not fit", size)
		}
	}
	switch {
	case c.FFN != arch.SwiGLU:
		return fmt.Errorf("llama2.c: a feed-forward network of %s has no place in the format", c.FFN)
	case c.QKNorm:
		return errors.New("llama2.c: norms of queries and keys (model.qk_norm) have no place in the format")
	case c.LayerSharing.Shared():
		return fmt.Errorf("llama2.c: shared layers (%s) have no place in the format: unroll them first", c.LayerSharing.Strategy)
	case c.HeadDim*c.Heads != c.Dim:
		return fmt.Errorf("llama2.c: head size %d times %d heads must be the width %d", c.HeadDim, c.Heads, c.Dim)
	case c.NormEps != normEps:
		return fmt.Errorf("llama2.c: norm_eps (%g) must be %g, which its program has built in", c.NormEps, normEps)
	case c.RoPEBase != ropeBase:
		return fmt.Errorf("llama2.c: rope_base (%g) must be %d, which its program has built in", c.RoPEBase, ropeBase)
	case c.RoPEScaling.Type != arch.PlainRoPE && c.RoPEScaling.Type != arch.DynamicRoPE: // which is plain within the context
		return errors.New("llama2.c: scaled rotary embeddings have no place in the format")
	}
	return nil
}
