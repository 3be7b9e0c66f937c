package cpu

import (
	"sync"
	"time"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/cpu/onednn"
)

// BF16 reports whether the device multiplies bf16 matrices in hardware.
func (d *Device) BF16() bool { return d.pairs || d.products && bf16.Available() }

// FastBF16 reports whether bf16 matmuls are also as fast as float32's. They are not on
// Intel's fourth and fifth generation where AMX is hidden, as in virtual machines:
// VDPBF16PS runs there at a quarter of float32's instructions a cycle.
func (d *Device) FastBF16() bool { return d.BF16() && fastBF16() }

// fastBF16 asks the processor once, by matmuls of 256³ on one worker in turn: the best of
// many that are short beside what a scheduler gives other processes at a time.
var fastBF16 = sync.OnceValue(func() bool {
	d := New(Options{Workers: 1})
	defer d.Close()
	var best [2]float64
	for range 20 {
		for i, p := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
			peak, err := d.ProductPeak(p, 256, 256, 256, time.Millisecond/5)
			if err != nil {
				return true
			}
			best[i] = max(best[i], peak)
		}
	}
	return best[1] > 0.9*best[0]
})

// Peak measures the speed of a 1024³ matmul on every worker at once, in
// FLOP/s: the best of the runs of the given length, of at least one matmul each, that
// begin within five lengths.
func (d *Device) Peak(p engine.Precision, run time.Duration) (float64, error) {
	return d.ProductPeak(p, 1024, 1024, 1024, run)
}

// ProductPeak is Peak for an m×n×k matmul. It is oneDNN's, of which a device
// with kernels of its own may be ahead; without the library it is what the
// device multiplies with instead, plain Go on matrices of an eighth the edge.
func (d *Device) ProductPeak(p engine.Precision, m, n, k int, run time.Duration) (float64, error) {
	t := onednn.F32
	if p == engine.PrecisionBF16 {
		t = onednn.BF16
	}
	if !d.products && t == onednn.F32 {
		m, n, k = ceil(m, 8), ceil(n, 8), ceil(k, 8)
	}
	var g product
	var err error
	if !d.products && t == onednn.BF16 && d.pairs {
		g = pairProduct{m, even(n), even(k)}
	} else if g, err = d.product(onednn.Desc{M: m, N: n, K: k, A: t, B: t, C: t, LDA: k, LDB: n, LDC: n}); err != nil {
		return 0, err
	}
	size := func(elements int) int64 { return aligned(int64(elements * elementSize(t))) }
	a, b, c := size(m*even(k)), size(bf16.PackedLen(k, n)), size(m*even(n))
	one := a + b + c + aligned(g.Scratch())
	mem, err := alloc(one * int64(d.Workers()))
	if err != nil {
		return 0, err
	}
	defer mem.Free()
	var best float64
	for begin := time.Now(); best == 0 || time.Since(begin) < 5*run; {
		counts := make([]int, d.Workers())
		start := time.Now()
		d.For(d.Workers(), func(w, i int) {
			p := unsafe.Add(mem.Pointer(), one*int64(i))
			for counts[i] == 0 || time.Since(start) < run {
				g.Run(w, p, unsafe.Add(p, a), unsafe.Add(p, a+b), unsafe.Add(p, a+b+c))
				counts[i]++
			}
		})
		elapsed, total := time.Since(start).Seconds(), 0
		for _, n := range counts {
			total += n
		}
		best = max(best, float64(total)*2*float64(m)*float64(n)*float64(k)/elapsed)
	}
	return best, nil
}

// pairProduct is package bf16's matmul of whole matrices in the form of
// oneDNN's.
type pairProduct struct{ m, n, k int }

func (p pairProduct) Scratch() int64 { return 0 }

func (p pairProduct) Run(_ int, a, b, c, _ unsafe.Pointer) {
	for r := 0; r < p.m; r += bf16Rows {
		bf16.Product(min(bf16Rows, p.m-r), p.n, p.k, offset(a, r*p.k, engine.BF16), p.k, b, p.k, offset(c, r*p.n, engine.BF16), p.n, bf16.Round)
	}
}

// Sum adds up an array, split over the workers: the speed at which memory is
// read.
func (d *Device) Sum(x []float32) float64 {
	const piece = 1 << 18
	sums := make([]float64, ceil(len(x), piece))
	d.For(len(sums), func(_, i int) { sums[i] = float64(total(x[i*piece : min((i+1)*piece, len(x))])) })
	var s float64
	for _, v := range sums {
		s += v
	}
	return s
}
