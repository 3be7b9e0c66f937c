package cpu

import "mobilellm/engine"

// Kernels of rows compute in float32. A row of a float32 tensor is used in
// place; one of a bf16 tensor passes through a buffer that stays in the
// first-level cache.

// load returns row r of t in float32, using buf when it must be widened.
func load(t *engine.Tensor, r int, buf []float32) []float32 {
	c := t.Cols()
	if t.DType == engine.F32 {
		return t.Float32s()[r*c : (r+1)*c]
	}
	widen(buf[:c], t.BFloat16s()[r*c:(r+1)*c])
	return buf[:c]
}

// target returns where row r of t is to be computed: in place or in buf.
func target(t *engine.Tensor, r int, buf []float32) []float32 {
	c := t.Cols()
	if t.DType == engine.F32 {
		return t.Float32s()[r*c : (r+1)*c]
	}
	return buf[:c]
}

// store rounds a row computed in a buffer to bf16.
func store(t *engine.Tensor, r int, row []float32) {
	if t.DType == engine.BF16 {
		c := t.Cols()
		narrow(t.BFloat16s()[r*c:(r+1)*c], row)
	}
}

// rowGrain is the number of rows a worker takes at a time.
const rowGrain = 32

// rows runs f for every block of rows of a tensor with n rows.
func (d *Device) rows(n int, f func(worker, first, last int)) {
	d.run((n+rowGrain-1)/rowGrain, func(w, i int) { f(w, i*rowGrain, min((i+1)*rowGrain, n)) })
}

// span returns columns first to first+n of row r in float32, using buf when
// they must be widened.
func span(t *engine.Tensor, r, first, n int, buf []float32) []float32 {
	at := r*t.Cols() + first
	if t.DType == engine.F32 {
		return t.Float32s()[at : at+n]
	}
	widen(buf[:n], t.BFloat16s()[at:at+n])
	return buf[:n]
}

// putSpan writes a row of float32 into columns of row r.
func putSpan(t *engine.Tensor, r, first int, row []float32) {
	at := r*t.Cols() + first
	if t.DType == engine.F32 {
		copy(t.Float32s()[at:], row)
		return
	}
	narrow(t.BFloat16s()[at:at+len(row)], row)
}

// buffers are k rows of float32 of width c for each worker. Instructions run
// one after another and share them.
func (d *Device) buffers(k, c int) [][][]float32 {
	key := [2]int{k, c}
	if b := d.rowBuffers[key]; b != nil {
		return b
	}
	b := make([][][]float32, d.Workers())
	for w := range b {
		b[w] = make([][]float32, k)
		for i := range b[w] {
			b[w][i] = make([]float32, c)
		}
	}
	d.rowBuffers[key] = b
	return b
}
