package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/kerneltest"
	"mobilellm/engine/op"
	"mobilellm/internal/testlong"
)

func TestKernelsAgreeWithPlainVersions(t *testing.T) {
	cases := kerneltest.Cases(headTokens)
	for _, workers := range []int{1, 2, 3} {
		for i, o := range []Options{{}, {OneDNN: true}, {Plain: true}} {
			if workers != 2 && !testlong.On() && (testing.Short() || i != workers/2) {
				continue // one worker of the first kind, three of the second
			}
			o.Workers = workers
			d := New(o)
			defer d.Close()
			for _, c := range cases {
				for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
					if precision == engine.PrecisionBF16 && !d.BF16() && !inFloat32(c.Op) {
						continue
					}
					t.Run(fmt.Sprintf("%+v/%v/%s", o, precision, c.Name), func(t *testing.T) {
						c.Run(t, d, precision)
					})
				}
			}
		}
	}
}

// inFloat32 reports whether an operation's matmuls are in float32 whatever its operands are,
// so that it runs in bf16 on every processor.
func inFloat32(o op.Op) bool {
	switch o.(type) {
	case op.LoRAOp, op.LoRAGradInputOp, op.LoRAGradWeightOp, op.DropoutOp, op.DropoutGradOp:
		return true
	}
	return false
}

// host is a tensor in device memory, with room behind it for another.
func host(d *Device, s tensor.Shape, t engine.DType) *engine.Tensor {
	mem, err := d.Alloc(int64(max(s.TotalSize(), 1))*8 + 1<<16)
	if err != nil {
		panic(err)
	}
	return engine.View(mem.Pointer(), t, s...)
}

// TestAttentionParts splits heads of one sequence over more and more workers: every
// bit stays.
func TestAttentionParts(t *testing.T) {
	h := op.Heads{Batch: 1, Seq: 611, Heads: 3, KVHeads: 1, HeadDim: 32}
	h.RoPE.Base = 10000
	var want []uint16
	var wantLSE []float32
	for _, workers := range []int{1, 2, 7} {
		d := New(Options{Workers: workers})
		defer d.Close()
		if !bf16.Available() {
			t.Skip("needs a processor with AVX-512 bf16, and cgo")
		}
		random := rand.New(rand.NewPCG(1, 2))
		qkv, starts := host(d, tensor.Shape{h.Seq, h.Width()}, engine.BF16), host(d, tensor.Shape{h.Seq}, engine.I32)
		for i := range qkv.BFloat16s() {
			set(&qkv.BFloat16s()[i], float32(random.NormFloat64()))
		}
		for i := range starts.Ids() {
			starts.Ids()[i] = int32(i / 250 * 250)
		}
		out, lse := host(d, tensor.Shape{h.Seq, h.Heads * h.HeadDim}, engine.BF16), host(d, tensor.Shape{h.Seq, h.Heads}, engine.F32)
		k, err := d.Compile(&engine.Instr{Op: op.AttentionOp{Heads: h, Masked: true}, In: []*engine.Tensor{qkv, starts}, Out: []*engine.Tensor{out, lse}, Store: make([]engine.Store, 2)})
		if err != nil {
			t.Fatal(err)
		}
		scratch, err := d.Alloc(k.Scratch())
		if err != nil {
			t.Fatal(err)
		}
		d.Do(func() { k.Run(scratch.Pointer(), false) })
		if want == nil {
			want, wantLSE = out.BFloat16s(), lse.Float32s()
		}
		if !slices.Equal(out.BFloat16s(), want) || !slices.Equal(lse.Float32s(), wantLSE) {
			t.Errorf("%d workers give other values than one", workers)
		}
	}
}

// TestPieces runs every row once, in no larger pieces than asked for.
func TestPieces(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		d := New(Options{Workers: workers})
		defer d.Close()
		for _, n := range []int{0, 1, 23, 24, 25, 96, 97, 2048} {
			const size = 48
			runs := make([]atomic.Int32, n)
			d.Do(func() {
				d.pieces(n, size, func(_, first, rows int) {
					if rows < 1 || rows > size {
						t.Errorf("%d workers, %d rows: a piece of %d rows", workers, n, rows)
					}
					for i := range rows {
						runs[first+i].Add(1)
					}
				})
			})
			for i := range runs {
				if r := runs[i].Load(); r != 1 {
					t.Errorf("%d workers, %d rows: row %d runs %d times", workers, n, i, r)
				}
			}
		}
	}
}
