package train

import (
	"errors"
	"unsafe"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/device"
	"mobilellm/engine"
)

// hostCopy is a tensor of a checkpoint with the device's tensor that it comes
// from or goes to.
type hostCopy struct {
	safetensors.Tensor
	of *engine.Tensor // nil where the tensor is itself a view of the weights or moments
}

// hostBuffer is host memory for tensors: of Go's heap, of the arena as far as that goes,
// or where tensors share it, as large as the largest, which holds one at a time.
type hostBuffer struct {
	shared bool
	data   []float32
	half   []uint16
	arena  []byte
}

// arenaAlign is what the tensors of an arena begin at multiples of.
const arenaAlign = 64

// take returns memory for n values, which may hold anything.
func take[T float32 | uint16](b *hostBuffer, own *[]T, n int) []T {
	if b.shared {
		if len(*own) < n {
			*own = make([]T, n)
		}
		return (*own)[:n]
	}
	bytes := n * int(unsafe.Sizeof(*new(T)))
	if bytes == 0 || bytes > len(b.arena) {
		return make([]T, n)
	}
	out := unsafe.Slice((*T)(unsafe.Pointer(&b.arena[0])), n)
	b.arena = b.arena[min(len(b.arena), (bytes+arenaAlign-1)/arenaAlign*arenaAlign):]
	return out
}

// newHostCopy takes host memory for a tensor of the device.
func newHostCopy(name string, shape []int, t *engine.Tensor, b *hostBuffer) hostCopy {
	c := hostCopy{safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape}, t}
	if t.DType == engine.BF16 {
		c.DType, c.BF16 = safetensors.BF16, take(b, &b.half, t.Len())
		return c
	}
	c.Data = take(b, &b.data, t.Len())
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

// copied are the tensors as they are now, in memory of b.
func (b *hostBuffer) copied(copies []hostCopy, dev device.Device) ([]safetensors.Tensor, error) {
	const piece = 1 << 18 // values that a worker copies at a time
	var work []func()
	list := make([]safetensors.Tensor, len(copies))
	for i, c := range copies {
		list[i] = c.Tensor
		switch {
		case c.of != nil: // in b already
			if err := c.read(); err != nil {
				return nil, err
			}
		case c.BF16 != nil:
			list[i].BF16 = take(b, &b.half, len(c.BF16))
			work = appendCopies(work, list[i].BF16, c.BF16, piece)
		default:
			list[i].Data = take(b, &b.data, len(c.Data))
			work = appendCopies(work, list[i].Data, c.Data, piece)
		}
	}
	dev.For(len(work), func(_, i int) { work[i]() })
	return list, nil
}

// appendCopies adds the copying of src to dst, a piece each.
func appendCopies[T any](work []func(), dst, src []T, piece int) []func() {
	for at := 0; at < len(src); at += piece {
		end := min(at+piece, len(src))
		work = append(work, func() { copy(dst[at:end], src[at:end]) })
	}
	return work
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
