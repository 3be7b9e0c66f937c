package cpu

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/op"
)

// BenchmarkAttention is one layer of the 125M model.
func BenchmarkAttention(b *testing.B) {
	for _, precision := range []engine.DType{engine.BF16, engine.F32} {
		for _, h := range []op.Heads{
			{Batch: 4, Seq: 512, Heads: 9, KVHeads: 3, HeadDim: 64},
			{Batch: 1, Seq: 2048, Heads: 9, KVHeads: 3, HeadDim: 64},
		} {
			h.RoPE.Base = 10000
			n, o := h.Batch*h.Seq, h.Heads*h.HeadDim
			d := New(Options{Workers: 1})
			if precision == engine.BF16 && !d.BF16() {
				b.Skip("needs oneDNN and a processor with bf16 matmuls")
			}
			qkv := host(d, tensor.Shape{n, h.Width()}, precision)
			out := host(d, tensor.Shape{n, o}, precision)
			lse := host(d, tensor.Shape{n, h.Heads}, engine.F32)
			dqkv := host(d, tensor.Shape{n, h.Width()}, precision)
			name := fmt.Sprintf("%v/%dx%d", precision, h.Batch, h.Seq)
			b.Run(name+"/forward", func(b *testing.B) {
				benchmarkKernel(b, d, &engine.Instr{Op: op.AttentionOp{Heads: h}, In: []*engine.Tensor{qkv}, Out: []*engine.Tensor{out, lse}, Store: make([]engine.Store, 2)})
			})
			b.Run(name+"/backward", func(b *testing.B) {
				benchmarkKernel(b, d, &engine.Instr{Op: op.AttentionGradOp{Heads: h}, In: []*engine.Tensor{qkv, out, lse, out}, Out: []*engine.Tensor{dqkv}, Store: make([]engine.Store, 1)})
			})
			d.Close()
		}
	}
}

// BenchmarkWeightGradient is one layer of the 125M model, 2,048 tokens.
func BenchmarkWeightGradient(b *testing.B) {
	const n = 2048
	for _, s := range []struct {
		name string
		o, c int
		dy   engine.DType
	}{{"qkv", 960, 576, engine.BF16}, {"out", 576, 576, engine.F32}, {"gateup", 3072, 576, engine.BF16}, {"down", 576, 1536, engine.F32}} {
		b.Run(s.name, func(b *testing.B) {
			d := New(Options{Workers: 1})
			defer d.Close()
			if !d.BF16() {
				b.Skip("needs a processor with bf16 matmuls")
			}
			dy, x, dw := host(d, tensor.Shape{n, s.o}, s.dy), host(d, tensor.Shape{n, s.c}, engine.BF16), host(d, tensor.Shape{s.o, s.c}, engine.F32)
			benchmarkKernel(b, d, &engine.Instr{Op: op.LinearGradWeightOp{Rows: []int{s.o}}, In: []*engine.Tensor{dy, x}, Out: []*engine.Tensor{dw}, Store: make([]engine.Store, 1)})
		})
	}
}

// BenchmarkProductInCache multiplies on one worker, and on two at once, each with
// operands of its own that fit its second-level cache: how much two cores give where
// nothing is shared.
func BenchmarkProductInCache(b *testing.B) {
	const m, n, k, runs = 48, 576, 576, 100
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			d := New(Options{Workers: workers})
			defer d.Close()
			if !bf16.Available() {
				b.Skip("needs a processor with AVX-512 bf16, and cgo")
			}
			var x, w, y []*engine.Tensor
			for range workers {
				x = append(x, host(d, tensor.Shape{m, k}, engine.BF16))
				w = append(w, host(d, tensor.Shape{bf16.PackedLen(k, n)}, engine.BF16))
				y = append(y, host(d, tensor.Shape{m, n}, engine.BF16))
			}
			for b.Loop() {
				d.For(workers*runs, func(worker, _ int) {
					bf16.Product(m, n, k, x[worker].Pointer(), k, w[worker].Pointer(), k, y[worker].Pointer(), n, bf16.Round)
				})
			}
			b.ReportMetric(2*m*n*k*runs*float64(workers*b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func benchmarkKernel(b *testing.B, d *Device, in *engine.Instr) {
	k, err := d.Compile(in)
	if err != nil {
		b.Fatal(err)
	}
	scratch, err := d.Alloc(k.Scratch())
	if err != nil {
		b.Fatal(err)
	}
	defer scratch.Free()
	before := processorTime()
	for b.Loop() {
		d.Do(func() { k.Run(scratch.Pointer(), false) })
	}
	used := processorTime() - before
	b.ReportMetric(float64(engine.FLOPs(in))*float64(b.N)/used/1e9, "GFLOP/cpu-s")
}

// processorTime is what the process has used, in seconds: on a busy machine it
// says more about one worker than the clock.
func processorTime() float64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}
