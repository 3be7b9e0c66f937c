package engine

import (
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/tensor"
)

// Packer is a device that can keep the matrices of a model that is not trained in a
// layout made for products of few rows. Its linear layers and embeddings read them.
type Packer interface {
	Device
	// PackedBytes is the size of a matrix of rows × cols elements of type t.
	PackedBytes(rows, cols int, t DType) int64
	// Pack writes src[rows,cols] to a packed tensor. It may be called from several
	// goroutines for different tensors.
	Pack(dst *Tensor, src []float32)
}

// Packed reports whether the tensor is in its device's layout for products of few
// rows, which nothing but the device's kernels reads.
func (t *Tensor) Packed() bool { return t.packed > 0 }

// LoadPacked makes the parameters of a model that is not trained: matrices packed in
// type t, vectors in float32. load fills one in float32, row-major; it is called from
// as many goroutines as workers.
func LoadPacked(dev Packer, params []Parameter, t DType, workers int, load func(p Parameter, dst []float32) error) (*Weights, error) {
	w := &Weights{device: dev}
	var err error
	if w.values, err = w.place(params, "", func(p Parameter) *Tensor {
		if len(p.Shape) != 2 {
			return &Tensor{}
		}
		return &Tensor{DType: t, packed: dev.PackedBytes(p.Shape[0], p.Shape[1], t)}
	}); err != nil {
		return nil, err
	}
	largest := 0
	for _, p := range params {
		w.names = append(w.names, p.Name)
		if w.values[p.Name].Packed() {
			largest = max(largest, tensor.Shape(p.Shape).TotalSize())
		}
	}
	todo := make(chan Parameter, len(params))
	for _, p := range params {
		todo <- p
	}
	close(todo)
	errs := make([]error, workers)
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() {
			var buffer []float32
			for p := range todo {
				v := w.values[p.Name]
				if !v.Packed() {
					errs[i] = errors.Join(errs[i], Fill(v, func(dst []float32) error { return load(p, dst) }))
					continue
				}
				if buffer == nil {
					buffer = make([]float32, largest)
				}
				src := buffer[:v.Len()]
				if err := load(p, src); err != nil {
					errs[i] = errors.Join(errs[i], err)
					continue
				}
				dev.Pack(v, src)
			}
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(fmt.Errorf("engine: %w", err), w.Close())
	}
	return w, nil
}
