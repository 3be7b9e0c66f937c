package bf16

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"mobilellm/internal/bfloat16"
)

func random(n int) ([]uint16, []float32) {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	h, f := make([]uint16, n+64), make([]float32, n)
	for i := range f {
		h[i] = bfloat16.Round(float32(rng.NormFloat64()))
		f[i] = bfloat16.Float32(h[i])
	}
	return h[:n], f
}

func address[T any](x []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

// TestProducts compares every form of the matmul with a plain sum in float64.
func TestProducts(t *testing.T) {
	if !Available() {
		t.Skip("needs a processor with AVX-512 bf16, and cgo")
	}
	for _, s := range []struct{ m, n, k int }{
		{1, 1, 2}, {1, 33, 4}, {12, 32, 2}, {13, 31, 6}, {25, 64, 64}, {11, 100, 48}, {128, 512, 64}, {7, 40, 160}, {24, 65, 34},
	} {
		for _, transposed := range []bool{false, true} {
			for _, paired := range []bool{false, true} {
				for _, store := range []Store{Set, Add, Round} {
					t.Run(fmt.Sprintf("%+v transposed=%v paired=%v store=%d", s, transposed, paired, store), func(t *testing.T) {
						check(t, s.m, s.n, s.k, transposed, paired, store)
					})
				}
			}
		}
	}
}

func check(t *testing.T, m, n, k int, transposed, paired bool, store Store) {
	t.Helper()
	lda, ldb, ldc := k+6, n+5, n+3
	at := func(i, l int) int { return i*lda + l }
	if paired {
		lda = m + 6
		at = func(i, l int) int { return l*lda + i }
	}
	bt := func(l, j int) int { return l*ldb + j }
	if transposed {
		ldb = k + 5
		bt = func(l, j int) int { return j*ldb + l }
	}
	a, af := random(max(m, k) * lda)
	b, bf := random(max(n, k) * ldb)
	packed := make([]uint16, PackedLen(k, n))
	again := make([]uint16, len(packed))
	if transposed {
		PackTransposed(address(packed), address(b), ldb, k, n)
		RoundPackTransposed(address(again), address(bf), ldb, k, n)
	} else {
		Pack(address(packed), address(b), ldb, k, n)
		RoundPack(address(again), address(bf), ldb, k, n)
	}
	if !slices.Equal(packed, again) {
		t.Fatal("packing float32 differs from packing its bf16")
	}
	c := make([]float32, m*ldc)
	for i := range c {
		c[i] = 0.5
	}
	if paired {
		pairs := make([]uint16, PairedLen(k, m))
		Pair(address(pairs), address(a), lda, k, m)
		rounded := make([]uint16, len(pairs))
		RoundPair(address(rounded), address(af), lda, k, m)
		if !slices.Equal(pairs, rounded) {
			t.Fatal("pairing float32 differs from pairing its bf16")
		}
		ProductPaired(m, n, k, address(pairs), address(packed), k, address(c), ldc, store)
	} else {
		Product(m, n, k, address(a), lda, address(packed), k, address(c), ldc, store)
	}
	halves := unsafe.Slice((*uint16)(address(c)), 2*len(c))
	for i := range m {
		for j := range ldc {
			var want float64
			for l := 0; l < k && j < n; l++ {
				want += float64(af[at(i, l)]) * float64(bf[bt(l, j)])
			}
			got, tolerance := float64(c[i*ldc+j]), 1e-4
			switch {
			case store == Round:
				got, tolerance = float64(bfloat16.Float32(halves[i*ldc+j])), 0.2
				if j >= n {
					continue
				}
			case store == Add || j >= n: // columns beyond n stay
				want += 0.5
			}
			if math.Abs(got-want) > tolerance {
				t.Fatalf("c[%d,%d] is %v, want %v", i, j, got, want)
			}
		}
	}
}

func TestOddDepth(t *testing.T) {
	if !Available() {
		t.Skip("needs a processor with AVX-512 bf16, and cgo")
	}
	check(t, 14, 40, 7, false, true, Set)
	check(t, 64, 64, 33, false, true, Add)
}

func BenchmarkProduct(b *testing.B) {
	if !Available() {
		b.Skip("needs a processor with AVX-512 bf16, and cgo")
	}
	for _, s := range []struct{ m, n, k int }{{128, 512, 64}, {96, 512, 64}, {128, 64, 512}, {512, 64, 128}, {768, 288, 1024}, {256, 576, 1536}, {256, 3072, 576}} {
		b.Run(fmt.Sprintf("%dx%dx%d", s.m, s.n, s.k), func(b *testing.B) {
			a, _ := random(s.m * s.k)
			w, _ := random(s.n * s.k)
			packed := make([]uint16, PackedLen(s.k, s.n))
			Pack(address(packed), address(w), s.n, s.k, s.n)
			c := make([]float32, s.m*s.n)
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				Product(s.m, s.n, s.k, address(a), s.k, address(packed), s.k, address(c), s.n, Set)
				best = min(best, time.Since(start))
			}
			b.ReportMetric(2*float64(s.m)*float64(s.n)*float64(s.k)/best.Seconds()/1e9, "best-GFLOP/s")
		})
	}
}

func BenchmarkPaired(b *testing.B) {
	if !Available() {
		b.Skip("needs a processor with AVX-512 bf16, and cgo")
	}
	const m, n, k = 192, 576, 1024
	a, _ := random(k * 3072)
	w, _ := random(n * k)
	packed, pairs, c := make([]uint16, PackedLen(k, n)), make([]uint16, PairedLen(k, m)), make([]float32, m*n)
	Pack(address(packed), address(w), n, k, n)
	b.Run("pair", func(b *testing.B) {
		for b.Loop() {
			Pair(address(pairs), address(a), 3072, k, m)
		}
		b.SetBytes(2 * k * m)
	})
	b.Run("product", func(b *testing.B) {
		best := time.Hour
		for b.Loop() {
			start := time.Now()
			ProductPaired(m, n, k, address(pairs), address(packed), k, address(c), n, Add)
			best = min(best, time.Since(start))
		}
		b.ReportMetric(2*m*n*k/best.Seconds()/1e9, "best-GFLOP/s")
	})
	b.Run("pack transposed float32", func(b *testing.B) {
		x := make([]float32, n*k)
		for b.Loop() {
			RoundPackTransposed(address(packed), address(x), k, k, n)
		}
		b.SetBytes(4 * n * k)
	})
}
