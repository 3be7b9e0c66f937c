package cpu

import (
	"time"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/onednn"
)

// BF16 reports whether the device multiplies bf16 matrices in hardware.
func (d *Device) BF16() bool { return d.products && hardwareBF16() }

// Peak measures the speed of a 2048×2048×2048 product for each worker, all
// workers at once, in FLOP/s: the best of five runs of the given length.
func (d *Device) Peak(p engine.Precision, run time.Duration) (float64, error) {
	const n = 2048
	t := onednn.F32
	if p == engine.PrecisionBF16 {
		t = onednn.BF16
	}
	m, err := d.product(onednn.Desc{M: n, N: n, K: n, A: t, B: t, C: t, LDA: n, LDB: n, LDC: n})
	if err != nil {
		return 0, err
	}
	matrix := int64(n * n * elementSize(t))
	one := 3*matrix + aligned(m.Scratch())
	mem, err := alloc(one * int64(d.Workers()))
	if err != nil {
		return 0, err
	}
	defer mem.Free()
	var best float64
	for range 5 {
		counts := make([]int, d.Workers())
		start := time.Now()
		d.For(d.Workers(), func(w, i int) {
			p := unsafe.Add(mem.Pointer(), one*int64(i))
			for counts[i] == 0 || time.Since(start) < run {
				m.Run(w, p, unsafe.Add(p, matrix), unsafe.Add(p, 2*matrix), unsafe.Add(p, 3*matrix))
				counts[i]++
			}
		})
		elapsed, total := time.Since(start).Seconds(), 0
		for _, c := range counts {
			total += c
		}
		best = max(best, float64(total)*2*n*n*n/elapsed)
	}
	return best, nil
}
