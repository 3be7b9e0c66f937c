package train

import (
	"errors"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine"
)

// hostCopy is a tensor of a checkpoint with the device's tensor that it comes
// from or goes to.
type hostCopy struct {
	safetensors.Tensor
	of *engine.Tensor // nil where the tensor is itself a view of the weights or moments
}

// hostBuffer is host memory for tensors of a device. Where they share it, it is as
// large as the largest, and holds one at a time.
type hostBuffer struct {
	shared bool
	data   []float32
	half   []uint16
}

// take returns memory for n values.
func take[T float32 | uint16](b *[]T, n int, shared bool) []T {
	if !shared {
		return make([]T, n)
	}
	if len(*b) < n {
		*b = make([]T, n)
	}
	return (*b)[:n]
}

// newHostCopy takes host memory for a tensor of the device.
func newHostCopy(name string, shape []int, t *engine.Tensor, b *hostBuffer) hostCopy {
	c := hostCopy{safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape}, t}
	if t.DType == engine.BF16 {
		c.DType, c.BF16 = safetensors.BF16, take(&b.half, t.Len(), b.shared)
		return c
	}
	c.Data = take(&b.data, t.Len(), b.shared)
	return c
}

// read brings a copy up to date.
func (c hostCopy) read() error {
	if c.BF16 != nil {
		return engine.Read(c.of, c.BF16)
	}
	return engine.Read(c.of, c.Data)
}

// write brings the device's tensor up to date.
func (c hostCopy) write() error {
	switch {
	case c.of == nil:
		return nil
	case c.BF16 != nil:
		return engine.Write(c.of, c.BF16)
	}
	return engine.Write(c.of, c.Data)
}

// tensors are the copies as a checkpoint wants them: each is read from its device when
// its turn to be written comes.
func tensors(copies []hostCopy) []safetensors.Tensor {
	list := make([]safetensors.Tensor, len(copies))
	for i, c := range copies {
		list[i] = c.Tensor
		if c.of != nil {
			list[i].Fetch = c.read
		}
	}
	return list
}

// fill lets load fill the tensors and brings those of the device up to date.
func fill(copies []hostCopy, load func([]safetensors.Tensor) error) error {
	list := make([]safetensors.Tensor, len(copies))
	for i, c := range copies {
		list[i] = c.Tensor
	}
	if err := load(list); err != nil {
		return err
	}
	var errs []error
	for _, c := range copies {
		errs = append(errs, c.write())
	}
	return errors.Join(errs...)
}
