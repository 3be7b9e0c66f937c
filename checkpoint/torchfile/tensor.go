package torchfile

import (
	"errors"
	"fmt"
	"math"

	"mobilellm/checkpoint/safetensors"
)

// storage is a run of elements in the archive that tensors are views of.
type storage struct {
	dtype    safetensors.DType
	key      string // of its entry, data/KEY
	elements int64
}

// view is a tensor: strided elements of a storage.
type view struct {
	storage storage
	offset  int64 // in elements, as the strides are
	shape   []int
	stride  []int64
}

// persistent reads a reference to a storage: ("storage", class, key, device,
// elements).
func (m *machine) persistent() error {
	id, err := m.pop()
	if err != nil {
		return err
	}
	t, ok := id.(tuple)
	if !ok || len(t) != 5 || t[0] != "storage" {
		return errors.New("a persistent id that is no storage")
	}
	class, _ := t[1].(global)
	key, keyOK := t[2].(string)
	elements, countOK := t[4].(int64)
	dtype, known := storageTypes[class]
	if !known || !keyOK || !countOK || elements < 0 {
		return errors.New("a storage that is malformed")
	}
	return m.push(storage{safetensors.DType(dtype), key, elements}, nil)
}

// reduce stands for the call of a global. Nothing is called: the three names
// that may stand there make descriptions.
func (m *machine) reduce() error {
	both, err := m.popN(2)
	if err != nil {
		return err
	}
	args, ok := both[1].(tuple)
	if !ok {
		return errors.New("arguments that are no tuple")
	}
	switch both[0] {
	case orderedDict:
		if len(args) == 0 {
			return m.push(&dict{values: map[string]any{}}, nil)
		}
	case rebuildTensor:
		v, err := newView(args)
		return m.push(v, err)
	case rebuildParameter:
		if len(args) >= 1 {
			if v, ok := args[0].(view); ok {
				return m.push(v, nil)
			}
		}
	}
	return fmt.Errorf("a call of %v: %w", both[0], errForeign)
}

// newView checks the arguments of _rebuild_tensor_v2: storage, offset, size,
// stride, and others that do not matter here. A view must stay within its
// storage and have no more elements than it.
func newView(args tuple) (view, error) {
	bad := func(what string) (view, error) { return view{}, fmt.Errorf("a tensor whose %s is malformed", what) }
	if len(args) < 4 {
		return bad("list of arguments")
	}
	s, ok := args[0].(storage)
	if !ok {
		return bad("storage")
	}
	offset, ok := args[1].(int64)
	if !ok || offset < 0 || offset > s.elements {
		return bad("offset")
	}
	size, sizeOK := args[2].(tuple)
	stride, strideOK := args[3].(tuple)
	if !sizeOK || !strideOK || len(size) != len(stride) || len(size) > 8 {
		return bad("shape")
	}
	v := view{storage: s, offset: offset}
	elements, last := int64(1), offset
	for i := range size {
		n, ok := size[i].(int64)
		step, stepOK := stride[i].(int64)
		if !ok || !stepOK || n < 0 || step < 0 || n > math.MaxInt32 || step > math.MaxInt32 {
			return bad("shape")
		}
		v.shape = append(v.shape, int(n))
		v.stride = append(v.stride, step)
		if n > 0 && elements > s.elements/n && elements > 0 {
			return bad("shape, which has more elements than the storage,")
		}
		elements *= n
		if n > 1 {
			last += (n - 1) * step
		}
		if last < 0 {
			return bad("stride")
		}
	}
	if elements > 0 && last >= s.elements {
		return bad("extent, which leaves the storage,")
	}
	return v, nil
}

func (v view) elements() int64 {
	n := int64(1)
	for _, d := range v.shape {
		n *= int64(d)
	}
	return n
}

// contiguous reports whether the elements lie row-major without gaps.
func (v view) contiguous() bool {
	step := int64(1)
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.stride[i] != step {
			return false
		}
		step *= int64(v.shape[i])
	}
	return true
}

// gather copies a view's elements from its storage, which begins at the view's
// offset, row-major.
func (v view) gather(dst, src []float32) {
	index := make([]int, len(v.shape))
	for i := range dst {
		at := int64(0)
		for d, n := range index {
			at += int64(n) * v.stride[d]
		}
		dst[i] = src[at]
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < v.shape[d] {
				break
			}
			index[d] = 0
		}
	}
}

// extent is how many elements of the storage, counted from the offset, the view
// reaches over.
func (v view) extent() int64 {
	if v.elements() == 0 {
		return 0
	}
	last := int64(0)
	for i, n := range v.shape {
		last += int64(n-1) * v.stride[i]
	}
	return last + 1
}
