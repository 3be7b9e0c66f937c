package llama2c

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/rotary"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/export"
	"mobilellm/internal/regular"
	"mobilellm/tokenizer"
)

// Read reads a .bin of version 0 or 1. The model has no vocabulary: that is a
// file of its own, see [ReadTokenizer].
func Read(path string) (_ *export.Model, err error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Stat()
	if err != nil {
		return nil, err
	}
	m, err := ReadFrom(file, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ReadFrom reads a .bin of the given size through r.
func ReadFrom(r io.ReaderAt, size int64) (*export.Model, error) {
	c, v, at, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	sections := layout(c, v)
	end := at
	for _, s := range sections {
		end += 4 * s.floats()
	}
	switch {
	case size < end:
		return nil, fmt.Errorf("truncated: %d bytes, expected %d for the sizes in the header", size, end)
	case size > end:
		return nil, fmt.Errorf("%d bytes, expected %d for the sizes in the header", size, end)
	}
	m := &export.Model{Config: c, Meta: checkpoint.Meta{Tokens: tokenizer.ModelTokens{BOS: bosID, EOS: []int32{eosID}, PAD: tokenizer.None}, DType: safetensors.F32}, Weights: map[string][]float32{}}
	if c.VocabSize <= 2 {
		m.Meta.Tokens = checkpoint.NoTokens()
	}
	for _, s := range sections {
		at += 4 * s.skip
		for _, p := range s.params {
			x := make([]float32, p.Size())
			if err := readFloats(r, at, x); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", p.Name, err)
			}
			at += 4 * p.Size()
			if heads := rotatedHeads(c, p); heads > 0 {
				x = rotary.ToHalves(x, heads, c.HeadDim)
			}
			m.Weights[p.Name] = x
		}
	}
	return m, nil
}

// readHeader returns the shape, the version and where the weights begin.
func readHeader(r io.ReaderAt, size int64) (c arch.Config, v Version, at int64, err error) {
	raw := make([]byte, min(size, headerV1))
	if n, err := r.ReadAt(raw, 0); n < len(raw) {
		return c, 0, 0, err
	}
	if len(raw) < headerV0 {
		return c, 0, 0, fmt.Errorf("truncated: %d bytes, expected at least %d", size, headerV0)
	}
	var h header
	if binary.LittleEndian.Uint32(raw) != magic {
		h.read(raw)
		tied := h.vocab > 0
		if !tied {
			h.vocab = -h.vocab
		}
		c, err = h.config(tied)
		return c, V0, headerV0, err
	}
	if len(raw) < headerV1 {
		return c, 0, 0, fmt.Errorf("truncated: %d bytes, expected at least %d", size, headerV1)
	}
	if n := binary.LittleEndian.Uint32(raw[4:]); n != uint32(V1) {
		return c, 0, 0, fmt.Errorf("version %d is not supported: only 0 and 1 are", n)
	}
	h.read(raw[8:])
	switch tied := raw[8+headerV0]; tied {
	case 0, 1:
		c, err = h.config(tied == 1)
	default:
		err = fmt.Errorf("byte %d (%d) must be 0 or 1", 8+headerV0, tied)
	}
	return c, V1, headerV1, err
}

func (h *header) read(raw []byte) {
	for i, f := range h.fields() {
		*f = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

func readFloats(r io.ReaderAt, at int64, dst []float32) error {
	buffer := make([]byte, 4*min(bufferFloats, len(dst)))
	for len(dst) > 0 {
		n := min(bufferFloats, len(dst))
		if read, err := r.ReadAt(buffer[:4*n], at); read < 4*n {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		safetensors.F32.Decode(dst[:n], buffer[:4*n])
		dst, at = dst[n:], at+int64(4*n)
	}
	return nil
}
