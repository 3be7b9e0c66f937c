package panel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// odd numbers for rows of k: normal, one large, zeros, tiny, none finite.
func oddRows(rng *rand.Rand, m, ld int) []float32 {
	x := normal(rng, m*ld)
	for r := range m {
		row := x[r*ld:][:ld]
		switch r % 6 {
		case 1:
			row[0] = 1e4
		case 2:
			clear(row)
		case 3:
			for i := range row {
				row[i] *= 1e-20
			}
		case 4:
			for i := range row {
				row[i] = -float32(math.Abs(float64(row[i])))
			}
		}
	}
	return x
}

func TestQuantize(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, s := range quant.Schemes() {
		for _, k := range []int{1, 3, 4, 15, 16, 17, 63, 64, 65, 130} {
			const m = 13
			ldx := k + 3
			x := oddRows(rng, m, ldx)
			x[6*ldx+k-1] = float32(math.NaN())
			x[7*ldx] = float32(math.Inf(-1))
			size := m * QuantizedStride(k)
			got, want := make([]byte, size), make([]byte, size)
			rows, wantRows := make([]quant.Row, m), make([]quant.Row, m)
			Quantize(address(got), rows, address(x), ldx, k, s)
			quantizePlain(address(want), wantRows, address(x), ldx, k, s)
			for r := range m {
				if a, b := rows[r], wantRows[r]; a != b && (a.Scale == a.Scale || b.Scale == b.Scale) {
					t.Fatalf("%s, %d: row %d is %+v, want %+v", s, k, r, a, b)
				}
				stride := QuantizedStride(k)
				if math.IsNaN(float64(rows[r].Scale)) {
					if r != 6 && r != 7 {
						t.Errorf("%s: row %d is not finite", s, r)
					}
					continue
				}
				if !slices.Equal(got[r*stride:][:stride], want[r*stride:][:stride]) {
					t.Fatalf("%s, %d: row %d is %v, want %v", s, k, r, got[r*stride:][:stride], want[r*stride:][:stride])
				}
				for i, v := range x[r*ldx:][:k] { // at most half a step off
					if d := math.Abs(float64(rows[r].Value(got[r*stride+i]) - v)); d > 0.51*float64(rows[r].Scale)+1e-6 {
						t.Fatalf("%s, %d: element %d,%d is %v, stands for %v", s, k, r, i, v, rows[r].Value(got[r*stride+i]))
					}
				}
			}
		}
	}
}

// Sums are exact: the results are those of plain Go to the bit, but for what an FMA rounds
// once.
func TestInt8Product(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, scheme := range quant.Schemes() {
		for _, s := range [][3]int{{1, 1, 1}, {1, 32, 16}, {2, 33, 7}, {11, 70, 24}, {12, 64, 31}, {13, 40, 40}, {30, 100, 96}, {49, 32, 1536}} {
			m, n, k := s[0], s[1], s[2]
			for _, add := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%dx%dx%d/add %v", scheme, m, n, k, add), func(t *testing.T) {
					w := packed(oddRows(rng, n, k), n, k, engine.I8)
					q, rows := make([]byte, m*QuantizedStride(k)), make([]quant.Row, m)
					Quantize(address(q), rows, address(oddRows(rng, m, k)), k, k, scheme)
					p := Int8Product{M: m, N: n, K: k, LDY: n + 5, Add: add}
					before := normal(rng, m*p.LDY)
					want := slices.Clone(before)
					p.plain(address(q), rows, w, address(want))
					results := map[string][]float32{"Run": slices.Clone(before)}
					p.Run(address(q), rows, w, address(results["Run"]))
					p.each(func(name string, run func(y unsafe.Pointer)) {
						results[name] = slices.Clone(before)
						run(address(results[name]))
					}, q, rows, w)
					for name, y := range results {
						for i := range y {
							if i%p.LDY >= n {
								if y[i] != before[i] {
									t.Fatalf("%s: wrote beyond the row at %d", name, i)
								}
								continue
							}
							most := 0.0
							if add || scheme == quant.Asymmetric { // an FMA rounds once
								most = 2e-7 * (math.Abs(float64(before[i])) + sizeOf(q[i/p.LDY*QuantizedStride(k):][:k], rows[i/p.LDY], w, i%p.LDY))
							}
							if d := math.Abs(float64(y[i] - want[i])); !(d <= most) {
								t.Fatalf("%s: element %d is %v, want %v", name, i, y[i], want[i])
							}
						}
						one := p
						one.M = 1
						for r := range m {
							alone := slices.Clone(before[r*p.LDY:][:n])
							one.Run(address(q[r*QuantizedStride(k):]), rows[r:], w, address(alone))
							if !slices.Equal(alone, y[r*p.LDY:][:n]) {
								t.Fatalf("%s: row %d of %d has other bits than alone", name, r, m)
							}
						}
					}
				})
			}
		}
	}
}

// sizeOf is the sum of what a row's terms are in size, with weight row n.
func sizeOf(q []byte, r quant.Row, w unsafe.Pointer, n int) (sum float64) {
	row := make([]float32, len(q))
	Row(row, w, n, len(q), engine.I8)
	for i, v := range row {
		sum += math.Abs(float64(v)) * (math.Abs(float64(r.Offset)) + math.Abs(float64(r.Scale)*float64(int32(q[i])-r.Zero)))
	}
	return sum
}

func BenchmarkInt8Product(b *testing.B) {
	for _, m := range []int{1, 4, 16, 48, 512} {
		n, k := 1<<16, 576
		if m > 16 {
			n = 2048
		}
		b.Run(fmt.Sprintf("%d rows", m), func(b *testing.B) {
			w := packed(normal(rand.New(rand.NewPCG(1, 1)), n*k), n, k, engine.I8)
			q, rows := make([]byte, m*QuantizedStride(k)), make([]quant.Row, m)
			x, y := make([]float32, m*k), make([]float32, m*n)
			p := Int8Product{M: m, N: n, K: k, LDY: n}
			for b.Loop() {
				Quantize(address(q), rows, address(x), k, k, quant.Symmetric)
				p.Run(address(q), rows, w, address(y))
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(2*float64(m*n*k)/seconds/1e9, "GOP/s")
			b.ReportMetric(float64(Bytes(n, k, engine.I8))/seconds/1e9, "GB/s")
		})
	}
}
