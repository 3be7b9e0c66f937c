package cpu

import (
	"unsafe"

	"mobilellm/engine/cpu/onednn"
)

// goProduct multiplies float32 matrices without oneDNN: rows of B are added to
// rows of C, so that the inner loop runs along memory. A transposed B is turned
// into sums of products of two rows.
type goProduct struct{ onednn.Desc }

func (p goProduct) Scratch() int64 { return 0 }

func (p goProduct) Run(_ int, a, b, c, _ unsafe.Pointer) {
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
			clear(row)
		}
		if p.TransB && !p.TransA {
			x := as[i*p.LDA : i*p.LDA+p.K]
			for j := range row {
				row[j] += dot(x, bs[j*p.LDB:j*p.LDB+p.K])
			}
			continue
		}
		for k := range p.K {
			x := as[i*p.LDA*b2i(!p.TransA)+k*b2i(!p.TransA)+(k*p.LDA+i)*b2i(p.TransA)]
			if p.TransB {
				for j := range row {
					row[j] += x * bs[j*p.LDB+k]
				}
				continue
			}
			axpy(row, x, bs[k*p.LDB:k*p.LDB+p.N])
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
