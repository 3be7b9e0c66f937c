package kerneltest

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/op"
	"mobilellm/internal/bfloat16"
)

// before is what results hold before an accumulating run.
const before = 0.5

// Run executes the case in every store mode that its results allow and compares
// every part with the plain version, in float64 unless the case says otherwise: to 1e-5 of the largest element in
// float32, to 2e-2 in bf16.
func (c Case) Run(t *testing.T, dev engine.Device, precision engine.Precision) {
	for _, store := range []engine.Store{engine.Overwrite, engine.Accumulate} {
		if store == engine.Overwrite || c.accumulates() {
			r := &run{Case: c, t: t, dev: dev, precision: precision, store: store}
			r.execute()
			r.free()
		}
	}
}

// accumulates reports whether some part can be added to what is there.
func (c Case) accumulates() bool {
	for i := range c.Out {
		if op.Accumulates(c.Op, i) {
			return true
		}
	}
	return false
}

// adds reports whether part i is added to what is there in this execution.
func (r *run) adds(i int) bool { return r.store == engine.Accumulate && op.Accumulates(r.Op, i) }

// run is one execution of a case.
type run struct {
	Case
	t         *testing.T
	dev       engine.Device
	precision engine.Precision
	store     engine.Store

	memory []engine.Memory
	instr  engine.Instr
	values []gorgonia.Value // the inputs as the plain version reads them
	shapes []tensor.Shape
}

func (r *run) execute() {
	r.t.Helper()
	r.inputs()
	r.attentionStatistics()
	want := r.once("", r.Op, r.values)
	r.instr.Op = r.Op
	parts := r.Op.Parts(r.shapes)
	r.outputs(parts)
	k, err := r.dev.Compile(&r.instr)
	if err != nil {
		r.t.Fatal(err)
	}
	scratch := r.alloc(k.Scratch())
	r.dev.Do(func() { k.Run(scratch, r.store == engine.Accumulate) })
	if a, ok := r.dev.(engine.Asynchronous); ok && a.Err() != nil {
		r.t.Fatal(a.Err())
	}
	r.compare(parts, want)
}

// plain are results of plain versions, by what was run: they are the same on every
// device and in every store mode, and take longer than most kernels.
type plain struct{ results sync.Map }

// once runs a plain version, unless an earlier run of the case has its result.
func (r *run) once(what string, o op.Op, in []gorgonia.Value) gorgonia.Value {
	r.t.Helper()
	what += r.precision.String()
	if r.plain != nil {
		if v, ok := r.plain.results.Load(what); ok {
			return v.(gorgonia.Value)
		}
	}
	v, err := o.Do(in...)
	r.check(err)
	if r.plain != nil {
		r.plain.results.Store(what, v)
	}
	return v
}

func (r *run) alloc(bytes int64) unsafe.Pointer {
	mem, err := r.dev.Alloc(max(bytes, 1))
	if err != nil {
		r.t.Fatal(err)
	}
	r.memory = append(r.memory, mem)
	return mem.Pointer()
}

func (r *run) free() {
	for _, m := range r.memory {
		if err := m.Free(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// place is a tensor at an address of the device.
func (r *run) place(p unsafe.Pointer, t engine.DType, s tensor.Shape) *engine.Tensor {
	on, _ := r.dev.(engine.Remote)
	return engine.RemoteView(on, p, t, s...)
}

func elements(s tensor.Shape) int { return max(s.TotalSize(), 1) }

// put copies values to a new tensor of the device.
func put[E float32 | uint16 | int32](r *run, t engine.DType, s tensor.Shape, x []E) *engine.Tensor {
	ten := r.place(r.alloc(int64(len(x))*t.Size()), t, s)
	r.check(engine.Write(ten, x))
	return ten
}

func (r *run) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *run) inputs() {
	rng := rand.New(rand.NewPCG(3, 4))
	weights := r.placeWeights()
	for i, s := range r.In {
		if s == nil {
			ids := r.IDs
			if r.IDsOf[i] != nil {
				ids = r.IDsOf[i]
			}
			r.shapes = append(r.shapes, tensor.Shape{len(ids)})
			r.instr.In = append(r.instr.In, put(r, engine.I32, tensor.Shape{len(ids)}, ids))
			r.values = append(r.values, tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids)))
			continue
		}
		x := make([]float32, elements(s))
		for j := range x {
			x[j] = float32(rng.NormFloat64())
		}
		if len(s) == 0 {
			x[0] = 0.25
		}
		r.shapes = append(r.shapes, s)
		r.instr.In = append(r.instr.In, r.input(i, s, x, weights[i]))
		if r.Single {
			r.values = append(r.values, tensor.New(tensor.WithShape(s...), tensor.WithBacking(x)))
			continue
		}
		r.values = append(r.values, float64s(s, x))
	}
}

// input gives the device the elements x, which it rounds where the device reads
// them rounded.
func (r *run) input(i int, s tensor.Shape, x []float32, weight *engine.Tensor) *engine.Tensor {
	bf16 := r.precision == engine.PrecisionBF16
	switch {
	case weight != nil && weight.DType == engine.BF16:
		rounded := toBF16(x)
		r.check(engine.Write(weight, rounded))
		widen(x, rounded)
		return weight
	case weight != nil:
		if c := weight.BF16Copy(); c != nil {
			rounded := toBF16(x)
			r.check(engine.Write(c, rounded))
			if r.multiplied(i) {
				widen(x, rounded)
			}
		}
		r.check(engine.Write(weight, x))
		return weight
	case bf16 && !r.F32[i]:
		rounded := toBF16(x)
		widen(x, rounded)
		return put(r, engine.BF16, s, rounded)
	}
	return put(r, engine.F32, s, x)
}

// multiplied reports whether input i is the weight of a matmul, which reads its
// rounded copy.
func (r *run) multiplied(i int) bool {
	for _, group := range op.Weights(r.Op, len(r.In)) {
		if slices.Contains(group, i) {
			return true
		}
	}
	return false
}

// placeWeights lays the parameters end to end, and in bf16 runs their copies.
func (r *run) placeWeights() map[int]*engine.Tensor {
	total := 0
	for i, s := range r.In {
		if r.Weights[i] {
			total += elements(s)
		}
	}
	if total == 0 {
		return nil
	}
	list := map[int]*engine.Tensor{}
	value := r.alloc(4 * int64(total))
	var copies unsafe.Pointer
	if r.precision == engine.PrecisionBF16 {
		copies = r.alloc(2 * int64(total))
	}
	for i, s := range r.In {
		if !r.Weights[i] {
			continue
		}
		if copies != nil && r.Half[i] {
			list[i] = r.place(copies, engine.BF16, s)
			copies = unsafe.Add(copies, 2*elements(s))
			continue
		}
		list[i] = r.place(value, engine.F32, s)
		value = unsafe.Add(value, 4*elements(s))
		if copies != nil && len(s) > 1 {
			list[i].WithBF16Copy(r.place(copies, engine.BF16, s))
			copies = unsafe.Add(copies, 2*elements(s))
		}
	}
	return list
}

// attentionStatistics gives the attention's gradient an output and a
// log-sum-exp that belong to its input.
func (r *run) attentionStatistics() {
	g, ok := r.Op.(op.AttentionGradOp)
	if !ok {
		return
	}
	packed := r.once("forward ", op.AttentionOp(g), append(r.values[:1:1], r.values[4:]...))
	from := 0
	for _, i := range []int{1, 2} {
		want := r.values[i].Data().([]float64)
		from += copy(want, packed.Data().([]float64)[from:])
		x := make([]float32, len(want))
		for j, v := range want {
			x[j] = float32(v)
		}
		if r.instr.In[i].DType == engine.BF16 {
			r.check(engine.Write(r.instr.In[i], toBF16(x)))
			continue
		}
		r.check(engine.Write(r.instr.In[i], x))
	}
}

// outputs makes the results: apart from each other, but for the gradients of
// weights, which lie end to end.
func (r *run) outputs(parts []tensor.Shape) {
	total := 0
	for _, p := range parts {
		total += elements(p)
	}
	var all unsafe.Pointer
	if op.Stacks(r.Op) {
		all = r.alloc(4 * int64(total))
	}
	for i, p := range parts {
		t, mode := r.Out[i], engine.Overwrite
		if r.adds(i) {
			t, mode = engine.F32, engine.Accumulate
		}
		if r.precision == engine.PrecisionF32 {
			t = engine.F32
		}
		at := all
		if all == nil {
			at = r.alloc(4 * int64(elements(p)))
		} else {
			all = unsafe.Add(all, 4*elements(p))
		}
		ten := r.place(at, t, p)
		if mode == engine.Accumulate {
			x := make([]float32, elements(p))
			for j := range x {
				x[j] = before
			}
			r.check(engine.Write(ten, x))
		}
		r.instr.Store = append(r.instr.Store, mode)
		r.instr.Out = append(r.instr.Out, ten)
	}
	for _, i := range r.Gaps {
		r.instr.Out[i] = nil
	}
}

func (r *run) compare(parts []tensor.Shape, want gorgonia.Value) {
	r.t.Helper()
	var all []float64
	switch x := want.Data().(type) {
	case []float64:
		all = x
	case float64:
		all = []float64{x}
	case []float32:
		for _, v := range x {
			all = append(all, float64(v))
		}
	}
	tolerance := 1e-5
	if r.precision == engine.PrecisionBF16 {
		tolerance = 2e-2
	}
	for i, p := range parts {
		w := all[:elements(p)]
		all = all[len(w):]
		if r.instr.Out[i] == nil {
			continue
		}
		got := r.read(r.instr.Out[i])
		var largest float64
		for _, x := range w {
			largest = max(largest, math.Abs(x))
		}
		added := 0.0
		if r.adds(i) {
			added = before
		}
		for j := range w {
			if diff := math.Abs(float64(got[j]) - w[j] - added); !(diff <= tolerance*(largest+1e-3)) {
				r.t.Fatalf("part %d element %d is %v, want %v (largest %v)", i, j, got[j], w[j]+added, largest)
			}
		}
	}
}

func (r *run) read(ten *engine.Tensor) []float32 {
	x := make([]float32, elements(ten.Shape))
	if ten.DType == engine.BF16 {
		h := make([]uint16, len(x))
		r.check(engine.Read(ten, h))
		widen(x, h)
		return x
	}
	r.check(engine.Read(ten, x))
	return x
}

// toBF16 rounds numbers.
func toBF16(x []float32) []uint16 {
	h := make([]uint16, len(x))
	for i, v := range x {
		h[i] = bfloat16.Round(v)
	}
	return h
}

func widen(x []float32, h []uint16) {
	for i, v := range h {
		x[i] = bfloat16.Float32(v)
	}
}

func float64s(s tensor.Shape, x []float32) gorgonia.Value {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	if len(s) == 0 {
		return gorgonia.NewF64(y[0])
	}
	return tensor.New(tensor.WithShape(s...), tensor.WithBacking(y))
}
