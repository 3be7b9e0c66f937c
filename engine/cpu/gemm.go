package cpu

import (
	"errors"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/f32"
	"mobilellm/engine/cpu/onednn"
)

// product is a matmul of one shape.
type product interface {
	Scratch() int64
	Run(worker int, a, b, c, scratch unsafe.Pointer)
}

// errNoBF16 is of a bf16 matmul on a processor, or in a build, that has none.
var errNoBF16 = errors.New("bf16 matmuls need a build with cgo and a processor with AVX-512's bf16 (avx512_bf16 in /proc/cpuinfo)\nhint: --set train.precision=float32")

func (d *Device) product(desc onednn.Desc) (product, error) {
	if d.products {
		return onednn.New(desc)
	}
	if desc.A != onednn.F32 || desc.B != onednn.F32 || desc.C != onednn.F32 {
		return nil, errNoBF16
	}
	return goProduct{desc}, nil
}

// causal makes a float32 matmul of attention's, for a block of queries from first on.
// Package f32 leaves out what no query sees; oneDNN computes it.
func (d *Device) causal(desc onednn.Desc, side f32.Side, first int) (product, error) {
	if !d.tiles {
		return d.product(desc)
	}
	return f32.Product{Desc: f32.Desc{
		M: desc.M, N: desc.N, K: desc.K, TransA: desc.TransA, TransB: desc.TransB,
		LDA: desc.LDA, LDB: desc.LDB, LDC: desc.LDC, Add: desc.Accumulate, Side: side, First: first,
	}}, nil
}

func elementType(t engine.DType) onednn.Type {
	if t == engine.BF16 {
		return onednn.BF16
	}
	return onednn.F32
}

func elementSize(t onednn.Type) int {
	if t == onednn.BF16 {
		return 2
	}
	return 4
}

// tiled is a matmul whose result is split in tiles, the unit that one worker
// computes. Tiles at the right and lower edge may be smaller.
type tiled struct {
	desc       onednn.Desc
	tm, tn     int
	nm, nn     int
	edge       [2][2]product // [last row of tiles][last column]
	scratchOne int64
}

// tile sizes: rows enough that oneDNN's blocks fill the second-level cache,
// and at least two tiles a worker where the result is large enough.
const (
	tileRows = 256
	tileCols = 64 // a tile's width is a multiple of this
)

// newTiled splits a matmul by rows of its result, and by columns too when
// there are too few rows to go round.
func (d *Device) newTiled(desc onednn.Desc) (*tiled, error) {
	workers := d.Workers()
	tm := min(desc.M, tileRows)
	nm := ceil(desc.M, tm)
	tn := desc.N
	if nm < 4*workers && nm%workers != 0 {
		columns := ceil(2*workers, nm)
		tn = min(desc.N, ceil(ceil(desc.N, columns), tileCols)*tileCols)
	}
	return d.newTiles(desc, tm, tn)
}

// newTiles splits a matmul into tiles of tm rows and tn columns.
func (d *Device) newTiles(desc onednn.Desc, tm, tn int) (*tiled, error) {
	t := &tiled{desc: desc, tm: tm, tn: tn, nm: ceil(desc.M, tm), nn: ceil(desc.N, tn)}
	for i := range 2 {
		for j := range 2 {
			e := desc
			e.M, e.N = tm, tn
			if i == 1 {
				e.M = desc.M - (t.nm-1)*tm
			}
			if j == 1 {
				e.N = desc.N - (t.nn-1)*tn
			}
			p, err := d.product(e)
			if err != nil {
				return nil, err
			}
			t.edge[i][j] = p
			t.scratchOne = max(t.scratchOne, aligned(p.Scratch()))
		}
	}
	return t, nil
}

// tiles is their number.
func (t *tiled) tiles() int { return t.nm * t.nn }

// scratch is the memory that all workers need.
func (t *tiled) scratch(d *Device) int64 { return t.scratchOne * int64(d.Workers()) }

// run computes every tile.
func (t *tiled) run(d *Device, a, b, c, scratch unsafe.Pointer) {
	d.run(t.tiles(), func(w, i int) { t.tile(w, i, a, b, c, scratch) })
}

// tile computes tile i of the whole matrices a, b and c.
func (t *tiled) tile(worker, i int, a, b, c, scratch unsafe.Pointer) {
	row, col := i/t.nn, i%t.nn
	m, n := row*t.tm, col*t.tn
	d := &t.desc
	sa, sb := elementSize(d.A), elementSize(d.B)
	if d.TransA {
		a = unsafe.Add(a, m*sa)
	} else {
		a = unsafe.Add(a, m*d.LDA*sa)
	}
	if d.TransB {
		b = unsafe.Add(b, n*d.LDB*sb)
	} else {
		b = unsafe.Add(b, n*sb)
	}
	c = unsafe.Add(c, (m*d.LDC+n)*elementSize(d.C))
	p := t.edge[last(row, t.nm)][last(col, t.nn)]
	p.Run(worker, a, b, c, unsafe.Add(scratch, int64(worker)*t.scratchOne))
}

func last(i, n int) int {
	if i == n-1 {
		return 1
	}
	return 0
}

func ceil(a, b int) int { return (a + b - 1) / b }
