package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mobilellm/optim"
)

func random(seed uint64, n int) []float32 {
	r, x := rand.New(rand.NewPCG(seed, 0)), make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Products of every layout, with the sums in float64.
func TestMultiply(t *testing.T) {
	for _, plain := range []bool{false, true} {
		d := New(Options{Workers: 2, Plain: plain})
		defer d.Close()
		for i := range 8 {
			p := optim.Product{M: 37, N: 19, K: 50, TransA: i&1 > 0, TransB: i&2 > 0, Accumulate: i&4 > 0}
			a, b, c := random(1, p.M*p.K), random(2, p.K*p.N), random(3, p.M*p.N)
			want := make([]float64, len(c))
			for i := range want {
				row, col := i/p.N, i%p.N
				if p.Accumulate {
					want[i] = float64(c[i])
				}
				for k := range p.K {
					at, bt := row*p.K+k, k*p.N+col
					if p.TransA {
						at = k*p.M + row
					}
					if p.TransB {
						bt = col*p.K + k
					}
					want[i] += float64(a[at]) * float64(b[bt])
				}
			}
			run, err := d.Multiply(p)
			if err != nil {
				t.Fatal(err)
			}
			d.For(1, func(worker, _ int) { run(worker, a, b, c) })
			for i := range c {
				if math.Abs(float64(c[i])-want[i]) > 1e-4 {
					t.Fatalf("plain %v, %+v: value %d is %v, want %v", plain, p, i, c[i], want[i])
				}
			}
		}
	}
}

// Muon's update is the same for any number of workers, to the bit.
func TestMuonOfAnyWorkers(t *testing.T) {
	var want []float32
	for _, workers := range []int{1, 3} {
		d := New(Options{Workers: workers})
		defer d.Close()
		c := optim.Default()
		c.Name = optim.NameMuon
		var params []optim.Param
		var values []float32
		for i, shape := range [][2]int{{48, 96}, {64, 64}, {96, 40}, {48, 96}, {8, 64}} {
			n := shape[0] * shape[1]
			params = append(params, optim.Param{Name: fmt.Sprint(i), Hidden: shape, Value: random(uint64(i), n), Grad: random(uint64(10+i), n)})
		}
		opt, err := optim.New(c, params, d)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			opt.Step(1e-2, 0.5)
		}
		for _, p := range params {
			values = append(values, p.Value...)
		}
		if want == nil {
			want = values
		} else if !slices.Equal(values, want) {
			t.Errorf("%d workers update otherwise than one", workers)
		}
	}
}

// BenchmarkMuon is the update of one layer of 125M.
func BenchmarkMuon(b *testing.B) {
	d := New(Options{})
	defer d.Close()
	c := optim.Default()
	c.Name = optim.NameMuon
	var params []optim.Param
	var flops float64
	for i, shape := range [][2]int{{576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536}} {
		n := shape[0] * shape[1]
		params = append(params, optim.Param{Name: fmt.Sprint(i), Hidden: shape, Value: random(1, n), Grad: random(2, n)})
		side := float64(min(shape[0], shape[1]))
		flops += 5 * (4*side*float64(n) + 2*side*side*side)
	}
	opt, err := optim.New(c, params, d)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		opt.Step(1e-3, 1)
	}
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
