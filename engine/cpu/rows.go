package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
)

// elements views a tensor's memory as elements of its type.
func elements[E elem](t *engine.Tensor) []E {
	return unsafe.Slice((*E)(t.Pointer()), t.Len())
}

// rowOf is row r of the matrix t.
func rowOf[E elem](t *engine.Tensor, r int) []E {
	var e E
	c := t.Shape[1]
	return unsafe.Slice((*E)(unsafe.Add(t.Pointer(), r*c*int(unsafe.Sizeof(e)))), c)
}

// rowGrain is the number of rows a worker takes at a time.
const rowGrain = 32

// rows runs f for every block of rows of a tensor with n rows.
func (d *Device) rows(n int, f func(worker, first, last int)) {
	d.run((n+rowGrain-1)/rowGrain, func(w, i int) { f(w, i*rowGrain, min((i+1)*rowGrain, n)) })
}

// rowsKernel runs one function for every block of rows. What it captures is there from
// the start, so that a run allocates nothing.
type rowsKernel struct {
	noScratch
	d     *Device
	count int
	block func(worker, i int)
}

// newRowsKernel is for operands of n rows.
func newRowsKernel(d *Device, n int, f func(worker, first, last int)) rowsKernel {
	return rowsKernel{d: d, count: ceil(n, rowGrain), block: func(w, i int) { f(w, i*rowGrain, min((i+1)*rowGrain, n)) }}
}

func (k rowsKernel) Run(unsafe.Pointer, bool) { k.d.run(k.count, k.block) }

// pieces runs f for pieces of n rows: each has size rows but the last ones, one a
// worker, which are cut in half, so that the workers end at about the same time.
func (d *Device) pieces(n, size int, f func(worker, first, rows int)) {
	whole, half := ceil(n, size), size/2
	if d.Workers() > 1 {
		whole = max(0, whole-d.Workers())
	}
	d.run(whole+ceil(max(0, n-whole*size), half), func(worker, i int) {
		first, rows := i*size, size
		if i >= whole {
			first, rows = whole*size+(i-whole)*half, half
		}
		f(worker, first, min(rows, n-first))
	})
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

// rowKernel is a kernel without scratch memory: one function for each element
// type.
type rowKernel struct {
	noScratch
	run func(accumulating bool)
}

func (k rowKernel) Run(_ unsafe.Pointer, accumulating bool) { k.run(accumulating) }

// byType picks the function for a tensor's element type.
func byType(t *engine.Tensor, f32, bf16 func(bool)) engine.Kernel {
	if t.DType == engine.BF16 {
		return rowKernel{run: bf16}
	}
	return rowKernel{run: f32}
}

// Largest is the largest of x. Several workers may call it at once.
func (d *Device) Largest(x []float32) float32 { return largest(x) }

// LogSumExp is log Σ exp(x); x is overwritten. Several workers may call it at once.
func (d *Device) LogSumExp(x []float32) float64 {
	m := largest(x)
	return float64(m) + math.Log(float64(expSum(x, x, 1, m)))
}
