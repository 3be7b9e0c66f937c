package engine

import (
	"errors"
	"fmt"
	"sync"

	"mobilellm/internal/quant"
)

// Packer is a device that can keep the matrices of a model that is not trained in a
// layout made for products of few rows. Its linear layers and embeddings read them.
type Packer interface {
	Device
	// PackedBytes is the size of a matrix of rows × cols elements of type t.
	PackedBytes(rows, cols int, t DType) int64
	// Pack writes src[n,cols] to the rows of a packed tensor from row on, a multiple of
	// PackRows; n is one too but for the last rows. It may be called from several
	// goroutines.
	Pack(dst *Tensor, row int, src []float32)
	// PackInt8 does so with rows that are integers already, each with a scale, for a tensor
	// of type I8.
	PackInt8(dst *Tensor, row int, q []int8, scales []float32)
}

// PackRows are the rows of a matrix that are read and packed at once: few enough that
// they stay in cache between the two.
const PackRows = 64

// Reader reads the elements of a parameter from the first-th on, row-major, as float32,
// into dst. It is called from several goroutines.
type Reader func(p Parameter, first int, dst []float32) error

// PackedType is how a matrix is packed.
type PackedType struct {
	DType DType
	// Activations, where DType is I8, is how the rows are quantised that the matrix is
	// multiplied with.
	Activations quant.Scheme
	// Stored, where DType is I8 and the matrix was quantised before, reads its rows from
	// the row-th on, as they are, each with its scale.
	Stored func(row int, q []int8, scales []float32) error
}

// Packed reports whether the tensor is in its device's layout for products of few
// rows, which nothing but the device's kernels reads.
func (t *Tensor) Packed() bool { return t.packed > 0 }

// Activations is how rows are quantised that a packed I8 tensor is multiplied with.
func (t *Tensor) Activations() quant.Scheme { return t.activations }

// LoadPacked makes the parameters of a model that is not trained: matrices packed in
// the type of each, vectors in float32. They are read by as many goroutines as workers, matrices
// some rows at a time where parts says that this costs no more than to read them whole.
func LoadPacked(dev Packer, params []Parameter, typed func(Parameter) PackedType, workers int, read Reader, parts bool) (*Weights, error) {
	w := &Weights{device: dev}
	var err error
	types := map[string]PackedType{}
	if w.values, err = w.place(params, "", func(p Parameter) *Tensor {
		if len(p.Shape) != 2 {
			return &Tensor{}
		}
		t := typed(p)
		types[p.Name] = t
		return &Tensor{DType: t.DType, activations: t.Activations, packed: dev.PackedBytes(p.Shape[0], p.Shape[1], t.DType)}
	}); err != nil {
		return nil, err
	}
	type piece struct {
		Parameter
		row, rows int
	}
	var pieces []piece
	largest := 0
	for _, p := range params {
		w.names = append(w.names, p.Name)
		if !w.values[p.Name].Packed() {
			pieces = append(pieces, piece{Parameter: p})
			continue
		}
		step := p.Shape[0]
		if parts {
			step = min(step, PackRows)
		}
		for row := 0; row < p.Shape[0]; row += step {
			pieces = append(pieces, piece{p, row, min(step, p.Shape[0]-row)})
		}
		largest = max(largest, step*p.Shape[1])
	}
	todo := make(chan piece, len(pieces))
	for _, p := range pieces {
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
					errs[i] = errors.Join(errs[i], Fill(v, func(dst []float32) error { return read(p.Parameter, 0, dst) }))
					continue
				}
				if stored := types[p.Name].Stored; stored != nil {
					q, scales := make([]int8, p.rows*v.Cols()), make([]float32, p.rows)
					if err := stored(p.row, q, scales); err != nil {
						errs[i] = errors.Join(errs[i], err)
						continue
					}
					dev.PackInt8(v, p.row, q, scales)
					continue
				}
				if buffer == nil {
					buffer = make([]float32, largest)
				}
				src := buffer[:p.rows*v.Cols()]
				err := read(p.Parameter, p.row*v.Cols(), src)
				if err == nil && v.DType == I8 {
					if err = quant.Finite(src); err != nil {
						err = fmt.Errorf("%s, from element %d on: %w", p.Name, p.row*v.Cols(), err)
					}
				}
				if err != nil {
					errs[i] = errors.Join(errs[i], err)
					continue
				}
				if v.DType == I8 && v.activations == quant.Compressed {
					q, scales := quant.Matrix(src, v.Cols(), quant.CompressedWeights)
					dev.PackInt8(v, p.row, q, scales)
					continue
				}
				dev.Pack(v, p.row, src)
			}
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(fmt.Errorf("engine: %w", err), w.Close())
	}
	return w, nil
}
