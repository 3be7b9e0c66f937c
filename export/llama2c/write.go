package llama2c

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint/rotary"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/export"
)

// Write writes a model of SwiGLU layers without sharing.
func Write(w io.Writer, m *export.Model, v Version) error {
	c := m.Config
	if err := m.Check(); err != nil {
		return err
	}
	if err := representable(c); err != nil {
		return err
	}
	h := header{
		int32(c.Dim), int32(c.FFNDim), int32(c.Layers), int32(c.Heads), int32(c.KVHeads), int32(c.VocabSize), int32(c.Context),
	}
	var raw []byte
	switch v {
	case V0:
		if !c.ShareEmbedding {
			h.vocab = -h.vocab
		}
	case V1:
		raw = binary.LittleEndian.AppendUint32(raw, magic)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	default:
		return fmt.Errorf("llama2.c: version %d is not supported: only 0 and 1 are", v)
	}
	for _, f := range h.fields() {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(*f))
	}
	if v == V1 {
		tied := byte(0)
		if c.ShareEmbedding {
			tied = 1
		}
		raw = append(raw, tied)
		raw = append(raw, make([]byte, headerV1-len(raw))...)
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	for _, s := range layout(c, v) {
		if s.skip > 0 {
			cos, sin := c.RoPE().Table(c.Context, c.HeadDim)
			for _, table := range [][]float64{cos, sin} {
				x := make([]float32, len(table))
				for i := range x {
					x[i] = float32(table[i])
				}
				if err := writeFloats(w, x); err != nil {
					return err
				}
			}
		}
		for _, p := range s.params {
			x := m.Weights[p.Name]
			if heads := rotatedHeads(c, p); heads > 0 {
				x = rotary.ToNeighbours(x, heads, c.HeadDim)
			}
			if err := writeFloats(w, x); err != nil {
				return fmt.Errorf("tensor %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

func writeFloats(w io.Writer, x []float32) error {
	buffer := make([]byte, 4*min(bufferFloats, len(x)))
	for len(x) > 0 {
		n := min(bufferFloats, len(x))
		safetensors.F32.Encode(buffer[:4*n], x[:n])
		if _, err := w.Write(buffer[:4*n]); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}

// rotatedHeads is how many heads of a parameter's rows are rotated: those of
// queries and keys.
func rotatedHeads(c arch.Config, p arch.Parameter) int {
	switch {
	case strings.HasSuffix(p.Name, ".q_proj.weight"):
		return c.Heads
	case strings.HasSuffix(p.Name, ".k_proj.weight"):
		return c.KVHeads
	}
	return 0
}
