package engine

import (
	"fmt"
	"unsafe"

	"gorgonia.org/tensor"

	"mobilellm/internal/quant"
)

// DType is the type in which a device stores a value's elements.
type DType uint8

// The element types.
const (
	F32  DType = iota // IEEE 754 single precision
	BF16              // its upper half: 8 bits of exponent, 8 of significand
	I32               // token ids and positions
	I8                // quantised weights, each row with a scale
)

// Size is the size of an element in bytes.
func (d DType) Size() int64 { return [...]int64{4, 2, 4, 1}[d] }

func (d DType) String() string { return [...]string{"float32", "bf16", "int32", "int8"}[d] }

// Tensor is a value in device memory, row major without gaps. Its address is
// known once the program that uses it is placed.
type Tensor struct {
	Name  string
	Shape tensor.Shape
	DType DType
	ptr   unsafe.Pointer
	bf16  *Tensor
	on    Remote // nil for host memory
	// group is what the tensor lies in with others, end to end, at an offset in
	// bytes: known before the address is. Nil for a tensor that lies for itself.
	group       *Tensor
	offset      int64
	activations quant.Scheme // of a packed I8 tensor, see PackedType
	packed      int64        // bytes in the device's layout for products of few rows; 0 for row-major
}

// Len is the number of elements.
func (t *Tensor) Len() int { return t.Shape.TotalSize() }

// Bytes is the size in memory.
func (t *Tensor) Bytes() int64 {
	if t.packed > 0 {
		return t.packed
	}
	return int64(t.Len()) * t.DType.Size()
}

// Rows is the first dimension; a scalar has one row.
func (t *Tensor) Rows() int {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[0]
}

// Cols is the number of elements in a row.
func (t *Tensor) Cols() int { return t.Len() / t.Rows() }

// Pointer is the device address of the first element.
func (t *Tensor) Pointer() unsafe.Pointer { return t.ptr }

// Float32s views a float32 tensor in host memory.
func (t *Tensor) Float32s() []float32 {
	t.want(F32)
	return unsafe.Slice((*float32)(t.ptr), t.Len())
}

// BFloat16s views a bf16 tensor in host memory.
func (t *Tensor) BFloat16s() []uint16 {
	t.want(BF16)
	return unsafe.Slice((*uint16)(t.ptr), t.Len())
}

// Ids views a tensor of token ids in host memory.
func (t *Tensor) Ids() []int32 {
	t.want(I32)
	return unsafe.Slice((*int32)(t.ptr), t.Len())
}

func (t *Tensor) want(d DType) {
	if t.DType != d {
		panic(fmt.Sprintf("engine: %s holds %v, not %v", t.Name, t.DType, d))
	}
	if t.ptr == nil {
		panic(fmt.Sprintf("engine: %s has no memory", t.Name))
	}
	if t.on != nil {
		panic(fmt.Sprintf("engine: %s is in the device's memory: copy it", t.Name))
	}
	if t.packed > 0 {
		panic(fmt.Sprintf("engine: %s is packed", t.Name))
	}
}

// OnHost reports whether Float32s, BFloat16s and Ids can view the tensor.
func (t *Tensor) OnHost() bool { return t.on == nil }

// Write copies src, of the tensor's type and length, into it, wherever it is.
// src may be written again when it returns.
func Write[E float32 | uint16 | int32](t *Tensor, src []E) error {
	t.sized(len(src), int64(unsafe.Sizeof(src[0])))
	if t.on != nil {
		return t.on.Upload(t.ptr, bytesOf(src))
	}
	copy(unsafe.Slice((*E)(t.ptr), t.Len()), src)
	return nil
}

// Read copies the tensor, wherever it is, to dst, which has its type and
// length. It waits for the kernels enqueued before it.
func Read[E float32 | uint16 | int32](t *Tensor, dst []E) error {
	t.sized(len(dst), int64(unsafe.Sizeof(dst[0])))
	if t.on != nil {
		return t.on.Download(bytesOf(dst), t.ptr)
	}
	copy(dst, unsafe.Slice((*E)(t.ptr), t.Len()))
	return nil
}

// Fill lets fill make the values of a float32 tensor: in place where the host can
// touch its memory, in memory of the host's that is then copied where it cannot.
func Fill(t *Tensor, fill func(dst []float32) error) error {
	if t.OnHost() {
		return fill(t.Float32s())
	}
	values := make([]float32, t.Len())
	if err := fill(values); err != nil {
		return err
	}
	return Write(t, values)
}

func (t *Tensor) sized(n int, size int64) {
	if n != t.Len() || size != t.DType.Size() {
		panic(fmt.Sprintf("engine: %v copied as %d elements of %d bytes", t, n, size))
	}
	if t.ptr == nil {
		panic(fmt.Sprintf("engine: %s has no memory", t.Name))
	}
	if t.packed > 0 {
		panic(fmt.Sprintf("engine: %s is packed", t.Name))
	}
}

func bytesOf[E any](x []E) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
}

func (t *Tensor) String() string { return fmt.Sprintf("%s%v %v", t.Name, t.Shape, t.DType) }

// View is a value in device memory that the caller keeps.
func View(p unsafe.Pointer, d DType, shape ...int) *Tensor {
	return &Tensor{Name: "view", Shape: shape, DType: d, ptr: p}
}

// RemoteView is View of memory that the host cannot touch.
func RemoteView(on Remote, p unsafe.Pointer, d DType, shape ...int) *Tensor {
	t := View(p, d, shape...)
	t.on = on
	return t
}

// WithBF16Copy sets a parameter's bf16 copy and returns the parameter.
func (t *Tensor) WithBF16Copy(c *Tensor) *Tensor {
	t.bf16 = c
	return t
}

// BF16Copy is a parameter's bf16 copy, nil where the weights keep none.
func (t *Tensor) BF16Copy() *Tensor { return t.bf16 }

// As is the tensor where it has that type, or its bf16 copy; nil where there is
// neither.
func (t *Tensor) As(d DType) *Tensor {
	if t.DType == d {
		return t
	}
	if t.bf16 != nil && t.bf16.DType == d {
		return t.bf16
	}
	return nil
}

// EndToEnd reports where tensors do not lie each behind the one before it. It
// knows of values of a program that have no address yet.
func EndToEnd(ts ...*Tensor) error {
	for i, t := range ts {
		switch {
		case t == nil:
			return fmt.Errorf("matrix %d of %d is not there", i, len(ts))
		case i > 0 && !t.follows(ts[i-1]):
			return fmt.Errorf("%s does not follow %s in memory", t.Name, ts[i-1].Name)
		}
	}
	return nil
}

func (t *Tensor) follows(before *Tensor) bool {
	if t.group != nil || before.group != nil {
		return t.group == before.group && t.offset == before.offset+before.Bytes()
	}
	return before.ptr != nil && t.ptr == unsafe.Add(before.ptr, before.Bytes())
}
