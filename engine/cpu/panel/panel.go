package panel

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/bfloat16"
)

// Cols is the number of rows of a weight in a panel.
const Cols = 32

// depth is k rounded up as type t packs it.
func depth(k int, t engine.DType) int {
	switch t {
	case engine.BF16:
		return (k + 1) &^ 1
	case engine.I8:
		return (k + 3) &^ 3
	}
	return k
}

// Bytes is the size of a packed weight of n rows and k columns.
func Bytes(n, k int, t engine.DType) int64 {
	return int64((n+Cols-1)/Cols) * PanelBytes(k, t)
}

// PanelBytes is the size of one panel.
func PanelBytes(k int, t engine.DType) int64 {
	size := Cols * int64(depth(k, t)) * t.Size()
	if t == engine.I8 {
		size += Cols * (4 + 4) // scales and sums
	}
	return size
}

// Pack writes w[n,k] to dst, which has Bytes, in type t: float32; bf16, rounded to
// nearest, ties to even; or int8, by quant.Weights. [PackInt8] takes integers as they are.
func Pack(dst unsafe.Pointer, w []float32, n, k int, t engine.DType) {
	for row := 0; row < n; row += Cols {
		packPanel(dst, w[row*k:], min(Cols, n-row), k, t)
		dst = unsafe.Add(dst, PanelBytes(k, t))
	}
}

// Row reads row i of a packed weight.
func Row(dst []float32, w unsafe.Pointer, i, k int, t engine.DType) {
	panel, col := unsafe.Add(w, int64(i/Cols)*PanelBytes(k, t)), i%Cols
	switch t {
	case engine.I8:
		p := readInt8(panel, k)
		for j := range dst[:k] {
			dst[j] = p.scales[col] * float32(p.values[j/4*4*Cols+4*col+j%4])
		}
		return
	case engine.BF16:
		p := unsafe.Slice((*uint16)(panel), Cols*depth(k, t))
		for j := range dst[:k] {
			dst[j] = bfloat16.Float32(p[j/2*2*Cols+2*col+j%2])
		}
		return
	}
	p := unsafe.Slice((*float32)(panel), Cols*k)
	for j := range dst[:k] {
		dst[j] = p[j*Cols+col]
	}
}

// packPlain packs one panel of at most Cols rows.
func packPlain(dst unsafe.Pointer, w []float32, rows, k int, t engine.DType) {
	switch t {
	case engine.I8:
		packInt8(dst, w, rows, k)
		return
	case engine.BF16:
		p := unsafe.Slice((*uint16)(dst), Cols*depth(k, t))
		clear(p)
		for c := range rows {
			for j, x := range w[c*k : (c+1)*k] {
				p[j/2*2*Cols+2*c+j%2] = bfloat16.Round(x)
			}
		}
		return
	}
	p := unsafe.Slice((*float32)(dst), Cols*k)
	clear(p)
	for c := range rows {
		for j, x := range w[c*k : (c+1)*k] {
			p[j*Cols+c] = x
		}
	}
}

// Product is y = x·wᵀ, or adds it to y, for m rows of x, ldx elements apart, and n
// rows of w, which begins with a panel. y's rows are ldy elements apart.
type Product struct {
	M, N, K  int
	Type     engine.DType // of w
	LDX, LDY int
	Add      bool
}

// Run computes the product.
func (p Product) Run(x, w, y unsafe.Pointer) { product(p, x, w, y) }

// plain is the product in Go.
func (p Product) plain(x, w, y unsafe.Pointer) {
	xs := unsafe.Slice((*float32)(x), (p.M-1)*p.LDX+p.K)
	ys := unsafe.Slice((*float32)(y), (p.M-1)*p.LDY+p.N)
	panel := make([]float32, p.K)
	for n := range p.N {
		Row(panel, w, n, p.K, p.Type)
		for m := range p.M {
			var s float32
			for k, v := range xs[m*p.LDX:][:p.K] {
				s += v * panel[k]
			}
			if p.Add {
				s += ys[m*p.LDY+n]
			}
			ys[m*p.LDY+n] = s
		}
	}
}

// Attention reads a KV cache ([op.Cache]) for one token: G query heads of size D
// that share a kv head, and the first N positions of its sequence.
type Attention struct {
	G, D, N int
	Type    engine.DType   // of the cache
	Cache   unsafe.Pointer // where the keys of block 0 begin
	Block   int            // elements from block to block
	Table   []int32        // the sequence's blocks
	LD      int            // elements from head to head of scores
}

// Scores writes s[g,n] = q[g]·key[n].
func (a *Attention) Scores(s, q []float32) { scores(a, s, q) }

// Values writes y[g] = Σ_n p[g,n]·value[n], y's heads D elements apart.
func (a *Attention) Values(y, p []float32) { values(a, y, p) }

const (
	block = 64 // op.CacheBlock
	group = 16 // keys that lie transposed together
)

// cached is element i of the cache.
func (a *Attention) cached(i int) float32 {
	if a.Type == engine.BF16 {
		return bfloat16.Float32(*(*uint16)(unsafe.Add(a.Cache, 2*i)))
	}
	return *(*float32)(unsafe.Add(a.Cache, 4*i))
}

func (a *Attention) plainScores(s, q []float32) {
	for n := range a.N {
		at := int(a.Table[n/block])*a.Block + n%block/group*a.D*group + n%group
		for g := range a.G {
			var sum float32
			for d := range a.D {
				sum += q[g*a.D+d] * a.cached(at+d*group)
			}
			s[g*a.LD+n] = sum
		}
	}
}

func (a *Attention) plainValues(y, p []float32) {
	clear(y[:a.G*a.D])
	for n := range a.N {
		at := int(a.Table[n/block])*a.Block + (block+n%block)*a.D
		for d := range a.D {
			v := a.cached(at + d)
			for g := range a.G {
				y[g*a.D+d] += p[g*a.LD+n] * v
			}
		}
	}
}
