package panel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/bfloat16"
)

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func address[E any](x []E) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

func packed(w []float32, n, k int, t engine.DType) unsafe.Pointer {
	p := address(make([]uint64, (Bytes(n, k, t)+7)/8))
	Pack(p, w, n, k, t)
	return p
}

var types = []engine.DType{engine.F32, engine.BF16}

func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range append(types, engine.I8) {
		for _, n := range []int{1, 31, 32, 33, 70} {
			for _, k := range []int{1, 2, 15, 16, 40} {
				w := normal(rng, n*k)
				if typ != engine.I8 {
					w[len(w)-1] = float32(math.NaN())
					w[0] = math.MaxFloat32
				}
				p := packed(w, n, k, typ)
				row := make([]float32, k)
				for i := range n {
					Row(row, p, i, k, typ)
					for j, x := range row {
						want := w[i*k+j]
						if typ == engine.BF16 {
							want = bfloat16.Float32(bfloat16.Round(want))
						}
						if typ == engine.I8 && math.Abs(float64(x-want)) <= 0.5/127*5 { // half a step
							continue
						}
						if x != want && (x == x || want == want) {
							t.Fatalf("%v %dx%d: element %d,%d is %v, want %v", typ, n, k, i, j, x, want)
						}
					}
				}
				plain := address(make([]uint64, (Bytes(n, k, typ)+7)/8))
				for i := 0; i < n; i += Cols {
					packPlain(unsafe.Add(plain, int64(i/Cols)*PanelBytes(k, typ)), w[i*k:], min(Cols, n-i), k, typ)
				}
				size := Bytes(n, k, typ)
				if !slices.Equal(unsafe.Slice((*byte)(p), size), unsafe.Slice((*byte)(plain), size)) {
					t.Fatalf("%v %dx%d: packed otherwise than plain Go does", typ, n, k)
				}
			}
		}
	}
}

// A row's results are those of plain Go, and the same bits among many rows as alone.
func TestProduct(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range types {
		for _, s := range [][3]int{{1, 1, 1}, {1, 32, 16}, {2, 33, 7}, {11, 70, 24}, {12, 64, 31}, {13, 40, 40}, {30, 100, 96}, {49, 32, 200}} {
			m, n, k := s[0], s[1], s[2]
			for _, add := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%dx%dx%d/add %v", typ, m, n, k, add), func(t *testing.T) {
					w := packed(normal(rng, n*k), n, k, typ)
					p := Product{M: m, N: n, K: k, Type: typ, LDX: k + 3, LDY: n + 5, Add: add}
					x, y := normal(rng, m*p.LDX), normal(rng, m*p.LDY)
					want, before := slices.Clone(y), slices.Clone(y)
					p.Run(address(x), w, address(y))
					p.plain(address(x), w, address(want))
					for i := range y {
						if i%p.LDY >= n && y[i] != before[i] {
							t.Fatalf("wrote beyond the row at %d", i)
						}
						if d := math.Abs(float64(y[i] - want[i])); !(d <= 1e-5*math.Sqrt(float64(k))) {
							t.Fatalf("element %d is %v, want %v", i, y[i], want[i])
						}
					}
					one := p
					one.M = 1
					for r := range m {
						alone := slices.Clone(before[r*p.LDY:][:n])
						one.Run(address(x[r*p.LDX:]), w, address(alone))
						if !slices.Equal(alone, y[r*p.LDY:][:n]) {
							t.Fatalf("row %d of %d has other bits than alone", r, m)
						}
					}
				})
			}
		}
	}
}

func TestAttention(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, typ := range types {
		for _, s := range [][3]int{{1, 2, 1}, {1, 64, 64}, {3, 64, 65}, {2, 24, 130}, {4, 100, 17}, {9, 80, 191}} {
			g, d, n := s[0], s[1], s[2]
			t.Run(fmt.Sprintf("%v/%d heads of %d, %d positions", typ, g, d, n), func(t *testing.T) {
				a := &Attention{G: g, D: d, N: n, Type: typ, Block: 3*2*block*d + 4, Table: []int32{4, 1, 3}, LD: n + 2}
				cache := normal(rng, 5*a.Block)
				if typ == engine.BF16 {
					h := make([]uint16, len(cache))
					for i, x := range cache {
						h[i] = bfloat16.Round(x)
					}
					a.Cache = address(h)
				} else {
					a.Cache = address(cache)
				}
				q := normal(rng, g*d)
				compare := func(got, want []float32, size float64) {
					t.Helper()
					for i := range want {
						if d := math.Abs(float64(got[i] - want[i])); !(d <= 1e-5*size) {
							t.Fatalf("element %d is %v, want %v", i, got[i], want[i])
						}
					}
				}
				got, want := make([]float32, g*a.LD), make([]float32, g*a.LD)
				a.Scores(got, q)
				a.plainScores(want, q)
				compare(got, want, math.Sqrt(float64(d)))
				y, plain := make([]float32, g*d), make([]float32, g*d)
				a.Values(y, want)
				a.plainValues(plain, want)
				compare(y, plain, float64(n*d))
				// A head alone has the same bits.
				one := *a
				one.G = 1
				for h := range g {
					alone, out := make([]float32, a.LD), make([]float32, d)
					one.Scores(alone, q[h*d:])
					one.Values(out, want[h*a.LD:])
					if !slices.Equal(alone, got[h*a.LD:][:a.LD]) || !slices.Equal(out, y[h*d:][:d]) {
						t.Fatalf("head %d of %d has other bits than alone", h, g)
					}
				}
			})
		}
	}
}

// A product of one row with more weights than caches hold, and of many rows.
func BenchmarkProduct(b *testing.B) {
	for _, typ := range types {
		for _, m := range []int{1, 4, 16, 48, 512} {
			n, k := 1<<16, 576
			if m > 16 {
				n = 2048
			}
			b.Run(fmt.Sprintf("%v/%d rows", typ, m), func(b *testing.B) {
				w := packed(normal(rand.New(rand.NewPCG(1, 1)), n*k), n, k, typ)
				p := Product{M: m, N: n, K: k, Type: typ, LDX: k, LDY: n}
				x, y := make([]float32, m*k), make([]float32, m*n)
				for b.Loop() {
					p.Run(address(x), w, address(y))
				}
				seconds := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(2*float64(m*n*k)/seconds/1e9, "GFLOP/s")
				b.ReportMetric(float64(Bytes(n, k, typ))/seconds/1e9, "GB/s")
			})
		}
	}
}

// BenchmarkPack packs 576 columns of a weight again and again, in cache.
func BenchmarkPack(b *testing.B) {
	for _, typ := range []engine.DType{engine.F32, engine.BF16} {
		b.Run(typ.String(), func(b *testing.B) {
			const n, k = 64, 576
			w, dst := make([]float32, n*k), make([]byte, Bytes(n, k, engine.F32))
			b.SetBytes(4 * n * k)
			for b.Loop() {
				Pack(unsafe.Pointer(&dst[0]), w, n, k, typ)
			}
		})
	}
}
