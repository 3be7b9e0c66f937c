package gguf

import (
	"fmt"

	"mobilellm/arch"
	"mobilellm/checkpoint/rotary"
)

// Check compares the tensors with the parameters of a model of that shape, of which
// they must be all, and no others.
func (f *File) Check(c arch.Config) error {
	known := map[string]bool{ropeFactors: true}
	for _, p := range c.Parameters() {
		known[tensorName(p)] = true
	}
	for _, t := range f.Tensors {
		if !known[t.Name] {
			return fmt.Errorf("%s: tensor %s of shape %d is not expected", f.name, clip(t.Name), t.Shape)
		}
	}
	for _, p := range c.Parameters() {
		if _, err := f.find(tensorName(p), p.Shape); err != nil {
			return err
		}
	}
	return nil
}

// Stored is the type of a parameter in the file, once it is known to be there.
func (f *File) Stored(p arch.Parameter) Type {
	t, _ := f.tensor(tensorName(p))
	return t.Type
}

// Load reads a parameter of a model of that shape as float32, row-major, rows of
// queries and keys in Hugging Face's order.
func (f *File) Load(c arch.Config, p arch.Parameter, dst []float32) error {
	t, err := f.find(tensorName(p), p.Shape)
	if err != nil {
		return err
	}
	if int64(len(dst)) != p.Size() {
		return fmt.Errorf("%s: tensor %s has %d elements (shape %d), not %d", f.name, t.Name, p.Size(), t.Shape, len(dst))
	}
	if rotatedHeads(c, p) == 0 {
		return f.read(t, dst, nil)
	}
	return f.read(t, dst, func(row int) int { return rotary.HalfRow(row, c.HeadDim) })
}
