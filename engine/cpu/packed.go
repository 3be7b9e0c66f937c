package cpu

import (
	"fmt"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/cpu/panel"
	"mobilellm/engine/op"
	"mobilellm/internal/quant"
)

var _ engine.Packer = (*Device)(nil)

// PackedBytes implements engine.Packer.
func (d *Device) PackedBytes(rows, cols int, t engine.DType) int64 {
	return aligned(panel.Bytes(rows, cols, t))
}

// Pack implements engine.Packer.
func (d *Device) Pack(dst *engine.Tensor, row int, src []float32) {
	k := dst.Cols()
	panel.Pack(unsafe.Add(dst.Pointer(), int64(row/panel.Cols)*panel.PanelBytes(k, dst.DType)), src, len(src)/k, k, dst.DType)
}

// PackInt8 implements engine.Packer.
func (d *Device) PackInt8(dst *engine.Tensor, row int, q []int8, scales []float32) {
	k := dst.Cols()
	panel.PackInt8(unsafe.Add(dst.Pointer(), int64(row/panel.Cols)*panel.PanelBytes(k, dst.DType)), q, scales, k)
}

// refusePacked reports an operation that would read a packed tensor as row-major.
func refusePacked(in *engine.Instr) error {
	switch in.Op.(type) {
	case op.LinearOp, op.EmbeddingOp:
		return nil
	}
	for _, t := range in.In {
		if t.Packed() {
			return fmt.Errorf("%s is packed for inference: the cpu's %s reads rows", t.Name, in.Op.Kind())
		}
	}
	return nil
}

// packedLinear is y[N,O] = x[N,C]·wᵀ for packed weights. A task is some panels of one
// weight with some rows: few enough of these that they stay in the second-level cache.
type packedLinear struct {
	d     *Device
	in    *engine.Instr
	tasks []packedTask
	pairs bool  // x is rounded for package bf16's products
	whole int64 // bytes of x rounded, or quantised
	run   func(worker, i int)
	// of int8 weights
	scheme   quant.Scheme
	rows     []quant.Row // of x
	quantize func(worker, i int)
	// of the run
	rounded unsafe.Pointer
	adds    bool
}

// packedTask is panels of a weight: n rows of it, which begin at a panel, and the
// columns of y from col on.
type packedTask struct {
	weight, row, n, col int
	first, rows         int // of x
}

const (
	packedRows  = 48      // of x in one task
	packedBytes = 1 << 17 // of a weight in one task

	quantizedRows = 8 // of x that a worker quantises at a time
)

func newPackedLinear(d *Device, in *engine.Instr) (engine.Kernel, error) {
	x, weights := in.In[0], in.In[1:]
	k := &packedLinear{d: d, in: in}
	k.run = k.task
	for _, w := range weights {
		if !w.Packed() || w.DType != weights[0].DType || w.Activations() != weights[0].Activations() {
			return nil, fmt.Errorf("weights of one product are packed and not, or of types %v and %v", weights[0].DType, w.DType)
		}
	}
	if weights[0].DType == engine.I8 {
		k.scheme = weights[0].Activations()
		k.rows = make([]quant.Row, x.Rows())
		k.whole = aligned(int64(x.Rows() * panel.QuantizedStride(x.Cols())))
		k.quantize = func(_, i int) {
			first := i * quantizedRows
			panel.Quantize(k.quantized(first), k.rows[first:min(first+quantizedRows, len(k.rows))], offset(x.Pointer(), first*x.Cols(), engine.F32), x.Cols(), x.Cols(), k.scheme)
		}
	}
	if k.pairs = weights[0].DType == engine.BF16 && d.pairs && x.Cols()%2 == 0; k.pairs {
		k.whole = aligned(2 * int64(x.Len()))
	}
	for first := 0; first < x.Rows(); first += packedRows {
		col := 0
		for i, w := range weights {
			step := max(1, int(packedBytes/panel.PanelBytes(x.Cols(), w.DType))) * panel.Cols
			for row := 0; row < w.Rows(); row += step {
				n := min(step, w.Rows()-row)
				k.tasks = append(k.tasks, packedTask{i + 1, row, n, col + row, first, min(packedRows, x.Rows()-first)})
			}
			col += w.Rows()
		}
	}
	return k, nil
}

func (k *packedLinear) Scratch() int64 { return k.whole }

func (k *packedLinear) Run(scratch unsafe.Pointer, accumulating bool) {
	x := k.in.In[0]
	k.rounded, k.adds = scratch, k.in.Store[0].Adds(accumulating)
	if k.pairs {
		k.d.narrow(unsafe.Slice((*uint16)(scratch), x.Len()), x.Float32s())
	}
	switch n := (len(k.rows) + quantizedRows - 1) / quantizedRows; {
	case k.quantize == nil:
	case n == 1: // sooner done than handed out
		k.quantize(0, 0)
	default:
		k.d.run(n, k.quantize)
	}
	k.d.run(len(k.tasks), k.run)
}

// quantized is where row m of x is, quantised.
func (k *packedLinear) quantized(m int) unsafe.Pointer {
	return unsafe.Add(k.rounded, m*panel.QuantizedStride(k.in.In[0].Cols()))
}

func (k *packedLinear) task(_, i int) {
	t, x, y := k.tasks[i], k.in.In[0], k.in.Out[0]
	w := k.in.In[t.weight]
	first := unsafe.Add(w.Pointer(), int64(t.row/panel.Cols)*panel.PanelBytes(x.Cols(), w.DType))
	to := offset(y.Pointer(), t.first*y.Cols()+t.col, engine.F32)
	if k.quantize != nil {
		panel.Int8Product{M: t.rows, N: t.n, K: x.Cols(), LDY: y.Cols(), Add: k.adds}.Run(k.quantized(t.first), k.rows[t.first:], first, to)
		return
	}
	if k.pairs {
		bf16.Product(t.rows, t.n, x.Cols(), offset(k.rounded, t.first*x.Cols(), engine.BF16), x.Cols(), first, x.Cols(), to, y.Cols(), storeAs(engine.F32, k.adds))
		return
	}
	panel.Product{M: t.rows, N: t.n, K: x.Cols(), Type: w.DType, LDX: x.Cols(), LDY: y.Cols(), Add: k.adds}.
		Run(offset(x.Pointer(), t.first*x.Cols(), engine.F32), first, to)
}

// newPackedEmbedding looks rows up in a packed table.
func newPackedEmbedding(d *Device, in *engine.Instr) engine.Kernel {
	w, tokens, x := in.In[0], in.In[1], in.Out[0]
	return newRowsKernel(d, x.Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			panel.Row(rowOf[float32](x, n), w.Pointer(), int(tokens.Ids()[n]), w.Cols(), w.DType)
		}
	})
}
