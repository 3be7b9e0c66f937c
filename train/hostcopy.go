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

// newHostCopy takes host memory for a tensor of the device.
func newHostCopy(name string, shape []int, t *engine.Tensor) hostCopy {
	c := hostCopy{safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape}, t}
	if t.DType == engine.BF16 {
		c.DType, c.BF16 = safetensors.BF16, make([]uint16, t.Len())
		return c
	}
	c.Data = make([]float32, t.Len())
	return c
}

// read brings a copy up to date.
func (c hostCopy) read() error {
	switch {
	case c.of == nil:
		return nil
	case c.BF16 != nil:
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

// tensors reads every copy and returns them as a checkpoint wants them.
func tensors(copies []hostCopy) ([]safetensors.Tensor, error) {
	list := make([]safetensors.Tensor, len(copies))
	var errs []error
	for i, c := range copies {
		errs = append(errs, c.read())
		list[i] = c.Tensor
	}
	return list, errors.Join(errs...)
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
