package engine

import (
	"fmt"
	"slices"
	"unsafe"

	"gorgonia.org/tensor"
)

// Parameter names a weight and its shape.
type Parameter struct {
	Name  string
	Shape []int
	// Frozen is a parameter that is not trained: it has no gradient.
	Frozen bool
	// BF16 is a frozen matrix that only matmuls read, of an even number of elements: where
	// those are in bf16 it is held in bf16 alone.
	BF16 bool
}

// Weights are the parameters of a model on a device, and their gradients.
// Programs of different batch sizes (training, scoring) share them. Parameters
// lie end to end in the order given, so that neighbours (q, k, v; gate, up) can
// be used as one matrix.
type Weights struct {
	device Device
	names  []string
	values map[string]*Tensor
	grads  map[string]*Tensor
	mem    []Memory
	reused Memory // the gradients', for programs that reuse it
}

// WeightOptions say what is kept beside the parameters.
type WeightOptions struct {
	Gradients bool // float32, for training
	BF16      bool // matmuls are in bf16: a rounded copy, where the device wants one
}

// NewWeights allocates zeroed parameters.
func NewWeights(dev Device, params []Parameter, keep WeightOptions) (*Weights, error) {
	w := &Weights{device: dev}
	for _, p := range params {
		w.names = append(w.names, p.Name)
	}
	var err error
	if w.values, err = w.place(params, "", func(p Parameter) *Tensor {
		if p.BF16 && keep.BF16 {
			return &Tensor{DType: BF16}
		}
		return &Tensor{}
	}); err != nil {
		return nil, err
	}
	if keep.Gradients {
		trained := slices.DeleteFunc(slices.Clone(params), func(p Parameter) bool { return p.Frozen })
		if w.grads, err = w.place(trained, "grad.", ofType(F32)); err != nil {
			w.Close()
			return nil, err
		}
		w.reused = w.mem[len(w.mem)-1]
	}
	if keep.BF16 && dev.KeepsBF16() {
		whole := slices.DeleteFunc(slices.Clone(params), func(p Parameter) bool { return p.BF16 })
		copies, err := w.place(whole, "bf16.", ofType(BF16))
		if err != nil {
			w.Close()
			return nil, err
		}
		for name, t := range w.values {
			t.bf16 = copies[name]
		}
	}
	return w, nil
}

// ofType is place's for tensors of one type.
func ofType(d DType) func(Parameter) *Tensor {
	return func(Parameter) *Tensor { return &Tensor{DType: d} }
}

// place allocates a tensor for each parameter, of the type and layout of typed.
func (w *Weights) place(params []Parameter, prefix string, typed func(Parameter) *Tensor) (map[string]*Tensor, error) {
	tensors := make(map[string]*Tensor, len(params))
	var total int64
	for _, p := range params {
		if tensors[p.Name] != nil {
			return nil, fmt.Errorf("engine: parameter %s appears twice", p.Name)
		}
		t := typed(p)
		t.Name, t.Shape = prefix+p.Name, tensor.Shape(p.Shape)
		tensors[p.Name] = t
		total += t.Bytes()
	}
	mem, err := w.device.Alloc(total)
	if err != nil {
		return nil, fmt.Errorf("engine: %d MB for parameters: %w", total>>20, err)
	}
	w.mem = append(w.mem, mem)
	at := mem.Pointer()
	remote, _ := w.device.(Remote)
	for _, p := range params {
		t := tensors[p.Name]
		t.ptr, t.on = at, remote
		at = unsafe.Add(at, t.Bytes())
	}
	return tensors, nil
}

// Names are the parameters' names in order.
func (w *Weights) Names() []string { return w.names }

// Value is a parameter, nil if there is none of that name.
func (w *Weights) Value(name string) *Tensor { return w.values[name] }

// Gradient is a parameter's gradient, nil without one.
func (w *Weights) Gradient(name string) *Tensor { return w.grads[name] }

// reusable is the gradients' memory, in which each gradient of the program lies from
// the step that writes it first to the end.
func (w *Weights) reusable(p Program, steps []*step) *reusable {
	l := &reusable{}
	for _, g := range w.grads {
		l.bytes += g.Bytes()
	}
	if len(p.Gradients) == 0 {
		return l
	}
	first := map[*Tensor]int{}
	for i, s := range slices.Backward(steps) {
		for _, v := range s.out {
			if v != nil && v.home != nil {
				first[v.home] = i
			}
		}
	}
	for _, name := range w.names {
		g := w.grads[name]
		if g == nil {
			continue
		}
		offset := int64(uintptr(g.ptr) - uintptr(w.reused.Pointer()))
		l.placed = append(l.placed, &interval{bytes: g.Bytes(), first: first[g], last: len(steps), offset: offset})
	}
	return l
}

// Changed must be called after values were written: it brings the bf16 copy up
// to date.
func (w *Weights) Changed() {
	for _, name := range w.names {
		w.round(w.values[name])
	}
}

// Updated is Changed for what an optimizer writes: parameters with gradients.
func (w *Weights) Updated() {
	for _, name := range w.names {
		if w.grads[name] != nil {
			w.round(w.values[name])
		}
	}
}

func (w *Weights) round(v *Tensor) {
	if v.bf16 != nil {
		w.device.Round(v.bf16, v)
	}
}

// Bytes is the memory held.
func (w *Weights) Bytes() int64 {
	var n int64
	for name, v := range w.values {
		n += v.Bytes()
		if v.bf16 != nil {
			n += v.bf16.Bytes()
		}
		if g := w.grads[name]; g != nil {
			n += g.Bytes()
		}
	}
	return n
}

// Close frees the memory.
func (w *Weights) Close() error {
	for _, m := range w.mem {
		if err := m.Free(); err != nil {
			return err
		}
	}
	w.mem = nil
	return nil
}
