package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

// Peak measures the speed of a square matmul of random numbers, by default of
// 8192³, in FLOP/s: the best of five runs of about the given length.
func (d *Device) Peak(p engine.Precision, run time.Duration) (float64, error) {
	return d.ProductPeak(p, d.opt.PeakEdge, d.opt.PeakEdge, d.opt.PeakEdge, run)
}

// ProductPeak is Peak for an m×n×k matmul.
func (d *Device) ProductPeak(p engine.Precision, m, n, k int, run time.Duration) (best float64, err error) {
	t := engine.F32
	if p == engine.PrecisionBF16 {
		t = engine.BF16
	}
	plan, err := d.plan(Product{M: m, N: n, K: k, AB: t, C: t, LDA: k, LDB: n, LDC: n, Align: alignment(pitch(k, t), pitch(n, t))})
	if err != nil {
		return 0, fmt.Errorf("cuda: peak: %w", err)
	}
	var l layout
	a, b, c, work := l.take(pitch(m*k, t)), l.take(pitch(k*n, t)), l.take(pitch(m*n, t)), l.take(plan.Workspace())
	mem, err := d.Alloc(l.taken())
	if err != nil {
		return 0, fmt.Errorf("cuda: peak: %w", err)
	}
	defer func() { err = errors.Join(err, mem.Free()) }()
	at := commands{scratch: address(mem.Pointer())}
	if err := errors.Join(d.fillNormal(at.piece(a), m*k, t), d.fillNormal(at.piece(b), k*n, t)); err != nil {
		return 0, fmt.Errorf("cuda: peak: %w", err)
	}
	multiply := func(times int) time.Duration {
		d.Do(func() {
			d.fail(d.driver.Mark(0))
			for range times {
				d.fail(d.driver.Multiply(plan, at.piece(a), at.piece(b), at.piece(c), at.piece(work), false))
			}
			d.fail(d.driver.Mark(1))
		})
		return max(d.Elapsed(0, 1), 1)
	}
	multiply(1)
	times := max(1, int(run/multiply(1)))
	for range 5 {
		best = max(best, float64(times)*2*float64(m)*float64(n)*float64(k)/multiply(times).Seconds())
	}
	return best, d.err
}

// fillNormal writes n normal random numbers. A matmul of zeros would draw less
// power, and a GPU held back by that then runs faster than on a model's numbers.
func (d *Device) fillNormal(to kernels.Pointer, n int, t engine.DType) (err error) {
	rng := rand.New(rand.NewPCG(1, 2))
	numbers := make([]byte, 0, pitch(min(n, 1<<20-1), t)) // and again: an odd number, so that rows differ
	for len(numbers) < cap(numbers) {
		bits := math.Float32bits(float32(rng.NormFloat64()))
		for shift := 8 * (4 - t.Size()); shift < 32; shift += 8 { // bf16 is the upper half
			numbers = append(numbers, byte(bits>>shift))
		}
	}
	d.Do(func() {
		for left := pitch(n, t); left > 0 && err == nil; left -= int64(len(numbers)) {
			err = d.driver.Upload(to, numbers[:min(left, int64(len(numbers)))])
			to += kernels.Pointer(len(numbers))
		}
	})
	return err
}

// ReadBandwidth is the speed at which the GPU's memory is copied, in bytes read
// or written per second: the best of three.
func (d *Device) ReadBandwidth() (best float64, err error) {
	const bytes = 512 << 20
	mem, err := d.Alloc(2 * bytes)
	if err != nil {
		return 0, fmt.Errorf("cuda: bandwidth: %w", err)
	}
	defer func() { err = errors.Join(err, mem.Free()) }()
	p := address(mem.Pointer())
	for range 4 {
		d.Do(func() {
			d.fail(d.driver.Mark(0))
			d.fail(d.driver.Copy(p+bytes, p, bytes))
			d.fail(d.driver.Mark(1))
		})
		best = max(best, 2*bytes/max(d.Elapsed(0, 1), 1).Seconds())
	}
	return best, d.err
}
