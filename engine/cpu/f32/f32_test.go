package f32_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"mobilellm/engine/cpu/f32"
)

func at(x []float32) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

func filled(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32() - 0.5
	}
	return x
}

// counts says whether the element of A or B that is summed at p for (i, j) of C counts, and
// whether C(i, j) is written at all: what a query sees, widened to tiles of 12.
func counts(d f32.Desc, i, j, p int) (sum, written bool) {
	switch d.Side {
	case f32.KeysAreColumns:
		return true, j <= d.First+i
	case f32.KeysAreSummed:
		return p <= d.First+i, true
	case f32.QueriesAreSummed:
		return i <= d.First+p, true
	}
	return true, true
}

// Every side and layout against sums in float64, with edges that fill no tile. What no
// query sees is zero in A, as in attention; what is not written keeps its value or does
// not matter.
func TestProducts(t *testing.T) {
	if !f32.Available() {
		t.Skip("needs a build with cgo and a processor with AVX-512")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][3]int{{1, 1, 1}, {12, 32, 16}, {13, 33, 17}, {96, 64, 40}, {30, 70, 64}, {25, 31, 5}} {
		for _, side := range []f32.Side{f32.Everything, f32.KeysAreColumns, f32.KeysAreSummed, f32.QueriesAreSummed} {
			for layout := range 8 {
				d := f32.Desc{M: size[0], N: size[1], K: size[2], TransA: layout&1 > 0, TransB: layout&2 > 0, Add: layout&4 > 0, Side: side}
				switch side {
				case f32.KeysAreColumns:
					d.First = max(0, d.N-d.M)
				case f32.KeysAreSummed:
					d.First = max(0, d.K-d.M)
				case f32.QueriesAreSummed:
					d.First = max(0, d.M-d.K)
				}
				t.Run(fmt.Sprint(d), func(t *testing.T) { check(t, r, d) })
			}
		}
	}
}

func check(t *testing.T, r *rand.Rand, d f32.Desc) {
	aStep, bStep := 1, 0
	d.LDA, d.LDB, d.LDC = d.K+3, d.N+2, d.N+1
	aRow := d.LDA
	bStep, bColumn := d.LDB, 1
	if d.TransA {
		d.LDA = d.M + 3
		aRow, aStep = 1, d.LDA
	}
	if d.TransB {
		d.LDB = d.K + 2
		bStep, bColumn = 1, d.LDB
	}
	a, b := filled(r, (d.M+d.K)*d.LDA), filled(r, (d.K+d.N)*d.LDB)
	c := filled(r, d.M*d.LDC)
	want := append([]float32(nil), c...)
	for i := range d.M {
		for p := range d.K {
			if sum, _ := counts(d, i, 0, p); !sum {
				a[i*aRow+p*aStep] = 0
			}
		}
	}
	for i := range d.M {
		for j := range d.N {
			var s float64
			if d.Add {
				s = float64(c[i*d.LDC+j])
			}
			for p := range d.K {
				s += float64(a[i*aRow+p*aStep]) * float64(b[p*bStep+j*bColumn])
			}
			want[i*d.LDC+j] = float32(s)
		}
	}
	p := f32.Product{Desc: d}
	scratch := make([]float32, p.Scratch()/4)
	p.Run(0, at(a), at(b), at(c), at(scratch))
	for i := range d.M {
		for j := range d.LDC {
			if _, written := counts(d, i, j, 0); j < d.N && !written {
				continue
			}
			if got, want := c[i*d.LDC+j], want[i*d.LDC+j]; math.Abs(float64(got-want)) > 1e-5 {
				t.Fatalf("C(%d,%d) is %v, want %v", i, j, got, want)
			}
		}
	}
}
