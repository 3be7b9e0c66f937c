package cpu

import (
	"unsafe"

	"mobilellm/engine/cpu/onednn"
)

// goProduct multiplies float32 matrices without oneDNN: rows of B are added to
// rows of C, so that the inner loop runs along memory. A transposed B is turned
// into sums of products of two rows. A product that accumulates is summed by itself
// before it is added, as oneDNN does.
type goProduct struct{ onednn.Desc }

// Scratch holds one row of a product that accumulates.
func (p goProduct) Scratch() int64 { return 4 * int64(p.N*b2i(p.Accumulate)) }

func (p goProduct) Run(_ int, a, b, c, scratch unsafe.Pointer) {
	la, lb, lc := p.M, p.K, p.M
	if p.TransA {
		la = p.K
	}
	if p.TransB {
		lb = p.N
	}
	as := unsafe.Slice((*float32)(a), (la-1)*p.LDA+max(p.M+p.K-la, 1))
	bs := unsafe.Slice((*float32)(b), (lb-1)*p.LDB+max(p.N+p.K-lb, 1))
	cs := unsafe.Slice((*float32)(c), (lc-1)*p.LDC+p.N)
	for i := range p.M {
		row := cs[i*p.LDC : i*p.LDC+p.N]
		if !p.Accumulate {
			p.row(row, i, as, bs)
			continue
		}
		sum := unsafe.Slice((*float32)(scratch), p.N)
		p.row(sum, i, as, bs)
		add(row, row, sum)
	}
}

// row sets dst, N values, to row i of the product.
func (p goProduct) row(dst []float32, i int, as, bs []float32) {
	if p.TransB && !p.TransA {
		x := as[i*p.LDA : i*p.LDA+p.K]
		for j := range dst {
			dst[j] = dot(x, bs[j*p.LDB:j*p.LDB+p.K])
		}
		return
	}
	clear(dst)
	for k := range p.K {
		x := as[i*p.LDA*b2i(!p.TransA)+k*b2i(!p.TransA)+(k*p.LDA+i)*b2i(p.TransA)]
		if p.TransB {
			for j := range dst {
				dst[j] += x * bs[j*p.LDB+k]
			}
			continue
		}
		axpy(dst, x, bs[k*p.LDB:k*p.LDB+p.N])
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
