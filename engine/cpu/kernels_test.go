package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

// kernelCase runs one operation on the device and compares every part of its
// result with the operation's plain float64 version.
type kernelCase struct {
	name    string
	op      op.Op
	in      []tensor.Shape // nil shape: ids
	ids     []int32
	idsOf   map[int][]int32 // of other inputs of ids
	weights map[int]bool    // inputs that are parameters: float32 with a bf16 copy
	f32     map[int]bool    // inputs that stay float32 in bf16 runs
	out     []engine.DType
	gaps    []int // parts that nobody reads
}

func cases() []kernelCase {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := func(n, vocab int) []int32 {
		x := make([]int32, n)
		for i := range x {
			x[i] = int32(rng.IntN(vocab))
		}
		return x
	}
	matrix := func(r, c int) tensor.Shape { return tensor.Shape{r, c} }
	const f, b = engine.F32, engine.BF16
	var cs []kernelCase
	add := func(c kernelCase) { cs = append(cs, c) }
	for _, n := range []int{1, 5, 64, 300} {
		for _, c := range []int{16, 24, 96} {
			size := fmt.Sprintf(" %dx%d", n, c)
			add(kernelCase{name: "embedding" + size, op: op.EmbeddingOp{}, in: []tensor.Shape{matrix(50, c), nil}, ids: ids(n, 50), weights: map[int]bool{0: true}, out: []engine.DType{f}})
			add(kernelCase{name: "embedding.grad" + size, op: op.EmbeddingGradOp{Vocab: 50}, in: []tensor.Shape{nil, matrix(n, c)}, ids: ids(n, 50), f32: map[int]bool{1: true}, out: []engine.DType{f}})
			add(kernelCase{name: "linear" + size, op: op.LinearOp{}, in: []tensor.Shape{matrix(n, c), matrix(40, c), matrix(8, c)}, weights: map[int]bool{1: true, 2: true}, out: []engine.DType{b}})
			add(kernelCase{name: "linear to residual" + size, op: op.LinearOp{}, in: []tensor.Shape{matrix(n, c), matrix(40, c)}, weights: map[int]bool{1: true}, out: []engine.DType{f}})
			add(kernelCase{name: "linear.dx" + size, op: op.LinearGradInputOp{}, in: []tensor.Shape{matrix(n, 48), matrix(40, c), matrix(8, c)}, weights: map[int]bool{1: true, 2: true}, out: []engine.DType{b}})
			add(kernelCase{name: "linear.dx of residual" + size, op: op.LinearGradInputOp{}, in: []tensor.Shape{matrix(n, 40), matrix(40, c)}, weights: map[int]bool{1: true}, f32: map[int]bool{0: true}, out: []engine.DType{b}})
			add(kernelCase{name: "linear.dw" + size, op: op.LinearGradWeightOp{Rows: []int{40, 8}}, in: []tensor.Shape{matrix(n, 48), matrix(n, c)}, out: []engine.DType{f, f}})
			add(kernelCase{name: "linear.dw of residual" + size, op: op.LinearGradWeightOp{Rows: []int{48}}, in: []tensor.Shape{matrix(n, 48), matrix(n, c)}, f32: map[int]bool{0: true}, out: []engine.DType{f}})
			add(kernelCase{name: "rmsnorm" + size, op: op.RMSNormOp{Eps: 1e-5}, in: []tensor.Shape{matrix(n, c), {c}}, weights: map[int]bool{1: true}, f32: map[int]bool{0: true}, out: []engine.DType{b, b, f}})
			add(kernelCase{name: "rmsnorm scoring" + size, op: op.RMSNormOp{Eps: 1e-5}, in: []tensor.Shape{matrix(n, c), {c}}, weights: map[int]bool{1: true}, f32: map[int]bool{0: true}, out: []engine.DType{b, b, f}, gaps: []int{1, 2}})
			add(kernelCase{name: "rmsnorm.grad" + size, op: op.RMSNormGradOp{}, in: []tensor.Shape{matrix(n, c), matrix(n, c), {n}, {c}}, weights: map[int]bool{3: true}, f32: map[int]bool{2: true}, out: []engine.DType{f, f}})
			add(kernelCase{name: "scale" + size, op: op.ScaleOp{}, in: []tensor.Shape{matrix(n, c), {c}}, weights: map[int]bool{1: true}, out: []engine.DType{b}})
			add(kernelCase{name: "swiglu" + size, op: op.SwiGLUOp{}, in: []tensor.Shape{matrix(n, 2*c)}, out: []engine.DType{b}})
			add(kernelCase{name: "swiglu.grad" + size, op: op.SwiGLUGradOp{}, in: []tensor.Shape{matrix(n, 2*c), matrix(n, c)}, out: []engine.DType{b}})
			add(kernelCase{name: "relu" + size, op: op.ReLUOp{}, in: []tensor.Shape{matrix(n, c)}, out: []engine.DType{b}})
			add(kernelCase{name: "relu.grad" + size, op: op.ReLUGradOp{}, in: []tensor.Shape{matrix(n, c), matrix(n, c)}, out: []engine.DType{b}})
			add(kernelCase{name: "add" + size, op: op.AddOp{}, in: []tensor.Shape{matrix(n, c), matrix(n, c)}, f32: map[int]bool{0: true, 1: true}, out: []engine.DType{f}})
			targets := ids(n, 70)
			targets[0] = op.Unsupervised
			head := kernelCase{name: "headloss" + size, op: op.HeadLossOp{}, in: []tensor.Shape{matrix(n, c), matrix(70, c), nil, {}}, ids: targets, weights: map[int]bool{1: true}, f32: map[int]bool{3: true}, out: []engine.DType{f, b, f}}
			add(head)
			head.name, head.gaps = "headloss scoring"+size, []int{1, 2}
			add(head)
			if c == 24 {
				for _, c := range distilCases(n, c, 70, targets, size) {
					add(c)
				}
			}
		}
	}
	large := ids(headTokens+70, 33)
	add(kernelCase{name: "headloss in chunks", op: op.HeadLossOp{}, in: []tensor.Shape{matrix(len(large), 16), matrix(33, 16), nil, {}}, ids: large, weights: map[int]bool{1: true}, f32: map[int]bool{3: true}, out: []engine.DType{f, b, f}})
	words := ids(40, 301)
	words[7] = op.Unsupervised
	add(kernelCase{name: "headloss in pieces", op: op.HeadLossOp{}, in: []tensor.Shape{matrix(40, 24), matrix(301, 24), nil, {}}, ids: words, weights: map[int]bool{1: true}, f32: map[int]bool{3: true}, out: []engine.DType{f, b, f}})
	for _, n := range []int{1, 5, headTokens + 70} {
		add(kernelCase{name: fmt.Sprintf("toplogprobs %d", n), op: op.TopLogProbsOp{K: 7}, in: []tensor.Shape{matrix(n, 24), matrix(70, 24)}, weights: map[int]bool{1: true}, out: []engine.DType{f, f}})
	}
	large[3] = op.Unsupervised
	for _, c := range distilCases(len(large), 16, 33, large, " in chunks") {
		add(c)
	}
	for _, h := range []op.Heads{
		{Batch: 1, Seq: 1, Heads: 2, KVHeads: 1, HeadDim: 8},
		{Batch: 2, Seq: 7, Heads: 4, KVHeads: 2, HeadDim: 6},
		{Batch: 1, Seq: 130, Heads: 3, KVHeads: 3, HeadDim: 28},
		{Batch: 2, Seq: 256, Heads: 6, KVHeads: 2, HeadDim: 64},
		{Batch: 1, Seq: 300, Heads: 2, KVHeads: 1, HeadDim: 160},
		{Batch: 1, Seq: 1100, Heads: 1, KVHeads: 1, HeadDim: 40},
	} {
		h.RoPE.Base = 10000
		n, o := h.Batch*h.Seq, h.Heads*h.HeadDim
		size := fmt.Sprintf(" B%d T%d H%d K%d D%d", h.Batch, h.Seq, h.Heads, h.KVHeads, h.HeadDim)
		add(kernelCase{name: "attention" + size, op: op.AttentionOp{Heads: h}, in: []tensor.Shape{matrix(n, h.Width())}, out: []engine.DType{b, f}})
		add(kernelCase{name: "attention.grad" + size, op: op.AttentionGradOp{Heads: h}, in: []tensor.Shape{matrix(n, h.Width()), matrix(n, o), matrix(n, h.Heads), matrix(n, o)}, f32: map[int]bool{2: true}, out: []engine.DType{b}})
		for _, mean := range []int{3, 1 + h.Seq/5} {
			starts, kind := documents(rng, h, mean), fmt.Sprintf("documents of %d", mean)
			add(kernelCase{name: "masked attention, " + kind + size, op: op.AttentionOp{Heads: h, Masked: true}, in: []tensor.Shape{matrix(n, h.Width()), nil}, ids: starts, out: []engine.DType{b, f}})
			add(kernelCase{name: "masked attention.grad, " + kind + size, op: op.AttentionGradOp{Heads: h, Masked: true}, in: []tensor.Shape{matrix(n, h.Width()), matrix(n, o), matrix(n, h.Heads), matrix(n, o), nil}, ids: starts, f32: map[int]bool{2: true}, out: []engine.DType{b}})
		}
	}
	return cs
}

// documents are the starts of documents of 1 to 2·mean−1 tokens.
func documents(rng *rand.Rand, h op.Heads, mean int) []int32 {
	starts := make([]int32, h.Batch*h.Seq)
	for b := range h.Batch {
		for at := 0; at < h.Seq; {
			end := min(at+1+rng.IntN(2*mean-1), h.Seq)
			for t := at; t < end; t++ {
				starts[b*h.Seq+t] = int32(at)
			}
			at = end
		}
	}
	return starts
}

func TestKernelsAgreeWithPlainVersions(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		for _, o := range []Options{{}, {OneDNN: true}, {Plain: true}} {
			o.Workers = workers
			d := New(o)
			defer d.Close()
			for _, c := range cases() {
				for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
					if precision == engine.PrecisionBF16 && !d.BF16() || testing.Short() && workers != 2 {
						continue
					}
					t.Run(fmt.Sprintf("%+v/%v/%s", o, precision, c.name), func(t *testing.T) {
						c.run(t, d, precision)
					})
				}
			}
		}
	}
}

// run executes the case in every store mode its results allow.
func (c kernelCase) run(t *testing.T, d *Device, precision engine.Precision) {
	for _, store := range []engine.Store{engine.Overwrite, engine.Accumulate} {
		if store == engine.Accumulate && !c.accumulates() {
			continue
		}
		rng := rand.New(rand.NewPCG(3, 4))
		in := &engine.Instr{Op: c.op}
		var values []gorgonia.Value
		var shapes []tensor.Shape
		var weights []float32
		for i, s := range c.in {
			switch {
			case s == nil:
				ids := c.ids
				if c.idsOf[i] != nil {
					ids = c.idsOf[i]
				}
				in.In = append(in.In, engine.View(unsafe.Pointer(&ids[0]), engine.I32, len(ids)))
				values = append(values, tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids)))
				shapes = append(shapes, tensor.Shape{len(ids)})
				continue
			default:
				shapes = append(shapes, s)
			}
			x := c.input(rng, i, s)
			ten := host(d, s, engine.F32)
			copy(ten.Float32s(), x)
			switch {
			case c.weights[i]:
				if precision == engine.PrecisionBF16 {
					ten = c.weight(d, i, s, x, &weights)
				} else if i > 0 && c.weights[i-1] {
					ten = follow(in.In[i-1], s, x)
				}
			case precision == engine.PrecisionBF16 && !c.f32[i]:
				half := host(d, s, engine.BF16)
				convert(half.BFloat16s(), x)
				convert(x, half.BFloat16s())
				ten = half
			}
			in.In = append(in.In, ten)
			values = append(values, float64s(s, x))
		}
		c.attentionStatistics(in, values)
		parts := c.op.Parts(shapes)
		want, err := c.op.Do(values...)
		if err != nil {
			t.Fatal(err)
		}
		out := c.outputs(d, in, parts, precision, store)
		k, err := d.Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		scratch, err := d.Alloc(k.Scratch())
		if err != nil {
			t.Fatal(err)
		}
		d.Do(func() { k.Run(scratch.Pointer(), store == engine.Accumulate) })
		c.compare(t, out, parts, want, precision, store)
		if err := scratch.Free(); err != nil {
			t.Fatal(err)
		}
	}
}

func (c kernelCase) accumulates() bool {
	switch c.op.(type) {
	case op.LinearOp, op.LinearGradInputOp, op.LinearGradWeightOp, op.RMSNormGradOp, op.EmbeddingGradOp, op.HeadLossOp,
		op.DistilLossOp, op.DistilTopLossOp:
		return true
	}
	return false
}

// isHead tells of a head with its loss, whose part 2 alone may be added to.
func (c kernelCase) isHead() bool {
	switch c.op.(type) {
	case op.HeadLossOp, op.DistilLossOp, op.DistilTopLossOp:
		return true
	}
	return false
}

func (c kernelCase) input(rng *rand.Rand, i int, s tensor.Shape) []float32 {
	x := make([]float32, max(s.TotalSize(), 1))
	for j := range x {
		x[j] = float32(rng.NormFloat64())
	}
	if len(s) == 0 {
		x[0] = 0.25
	}
	return x
}

// weight makes parameter i with its bf16 copy, behind the one before it.
func (c kernelCase) weight(d *Device, i int, s tensor.Shape, x []float32, all *[]float32) *engine.Tensor {
	ten := host(d, s, engine.F32)
	if len(s) < 2 {
		copy(ten.Float32s(), x)
		return ten
	}
	halves := make([]uint16, len(x))
	convert(halves, x)
	if _, isEmbedding := c.op.(op.EmbeddingOp); !isEmbedding {
		convert(x, halves)
	}
	if *all == nil {
		total := 0
		for j := range c.in {
			if c.weights[j] {
				total += c.in[j].TotalSize()
			}
		}
		*all = make([]float32, total, total+total/2+1)
	}
	at := 0
	for j := range i {
		if c.weights[j] {
			at += c.in[j].TotalSize()
		}
	}
	copy((*all)[at:], x)
	shadow := unsafe.Slice((*uint16)(unsafe.Pointer(&(*all)[:cap(*all)][len(*all)])), len(*all))
	copy(shadow[at:], halves)
	ten = engine.View(unsafe.Pointer(&(*all)[at]), engine.F32, s...)
	return ten.WithHalf(engine.View(unsafe.Pointer(&shadow[at]), engine.BF16, s...))
}

// follow places a float32 parameter right behind another.
func follow(before *engine.Tensor, s tensor.Shape, x []float32) *engine.Tensor {
	n := before.Len()
	all := unsafe.Slice((*float32)(before.Pointer()), n+len(x))
	copy(all[n:], x)
	return engine.View(unsafe.Pointer(&all[n]), engine.F32, s...)
}

// attentionStatistics gives the attention's gradient an output and a
// log-sum-exp that belong to its input.
func (c kernelCase) attentionStatistics(in *engine.Instr, values []gorgonia.Value) {
	g, ok := c.op.(op.AttentionGradOp)
	if !ok {
		return
	}
	packed, err := op.AttentionOp(g).Do(append(values[:1:1], values[4:]...)...)
	if err != nil {
		panic(err)
	}
	from := 0
	for _, i := range []int{1, 2} {
		want := values[i].Data().([]float64)
		from += copy(want, packed.Data().([]float64)[from:])
		x := make([]float32, len(want))
		for j, v := range want {
			x[j] = float32(v)
		}
		if in.In[i].DType == engine.BF16 {
			convert(in.In[i].BFloat16s(), x)
			continue
		}
		copy(in.In[i].Float32s(), x)
	}
}

const before = 0.5 // what results hold before an accumulating run

func (c kernelCase) outputs(d *Device, in *engine.Instr, parts []tensor.Shape, precision engine.Precision, store engine.Store) []*engine.Tensor {
	total := 0
	for _, p := range parts {
		total += max(p.TotalSize(), 1)
	}
	all := host(d, tensor.Shape{total}, engine.F32)
	at := 0
	for i, p := range parts {
		dt := c.out[i]
		if precision == engine.PrecisionF32 || store == engine.Accumulate && dt == engine.BF16 {
			dt = engine.F32
		}
		if c.isHead() {
			dt = c.out[i]
			if precision == engine.PrecisionF32 {
				dt = engine.F32
			}
		}
		x := all.Float32s()[at : at+max(p.TotalSize(), 1)]
		at += len(x)
		ten := engine.View(unsafe.Pointer(&x[0]), dt, p...)
		mode := store
		if c.isHead() && i != 2 {
			mode = engine.Overwrite
		}
		if mode == engine.Accumulate {
			for j := range x {
				x[j] = before
			}
		}
		in.Store = append(in.Store, mode)
		in.Out = append(in.Out, ten)
	}
	for _, i := range c.gaps {
		in.Out[i] = nil
	}
	return in.Out
}

func (c kernelCase) compare(t *testing.T, out []*engine.Tensor, parts []tensor.Shape, want gorgonia.Value, precision engine.Precision, store engine.Store) {
	t.Helper()
	all, ok := want.Data().([]float64)
	if !ok {
		all = []float64{want.Data().(float64)}
	}
	tolerance := 1e-5
	if precision == engine.PrecisionBF16 {
		tolerance = 2e-2
	}
	for i, p := range parts {
		w := all[:max(p.TotalSize(), 1)]
		all = all[len(w):]
		if out[i] == nil {
			continue
		}
		got := make([]float32, len(w))
		if out[i].DType == engine.BF16 {
			convert(got, out[i].BFloat16s())
		} else {
			copy(got, out[i].Float32s())
		}
		var largest float64
		for _, x := range w {
			largest = max(largest, math.Abs(x))
		}
		added := 0.0
		if store == engine.Accumulate && (!c.isHead() || i == 2) {
			added = before
		}
		for j := range w {
			if diff := math.Abs(float64(got[j]) - w[j] - added); !(diff <= tolerance*(largest+1e-3)) {
				t.Fatalf("part %d element %d is %v, want %v (largest %v)", i, j, got[j], w[j]+added, largest)
			}
		}
	}
}

// host is a tensor in device memory, with room behind it for another.
func host(d *Device, s tensor.Shape, t engine.DType) *engine.Tensor {
	mem, err := d.Alloc(int64(max(s.TotalSize(), 1))*8 + 1<<16)
	if err != nil {
		panic(err)
	}
	return engine.View(mem.Pointer(), t, s...)
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
