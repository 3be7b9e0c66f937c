package op

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
)

func init() { example(DropoutOp{exampleScope, 0.1}, DropoutGradOp{exampleScope, 0.1}) }

func TestDropoutGradient(t *testing.T) {
	r := random(6)
	key := argument{name: "key", shape: []int{DropoutKeys}, ids: []int32{1, 2, 3, 4}}
	checkGradients(t, function{args: []argument{normal(r, "x", 1, 5, 7), key}, build: binary(func(x, key *gorgonia.Node) (*gorgonia.Node, error) {
		return Dropout("0.attn", x, key, 0.4)
	})})
}

// A share of p is dropped, what is left keeps its mean, and another seed, step or place drops
// others; how a batch is split changes nothing.
func TestDropout(t *testing.T) {
	const rows, width = 200, 301
	ones := make([]float64, width)
	for i := range ones {
		ones[i] = 1
	}
	drop := func(o DropoutOp, key []int32) (all []float64) {
		for n := range rows {
			row := make([]float64, width)
			Drop(o.Row(key, n), row, ones)
			all = append(all, row...)
		}
		return all
	}
	o := DropoutOp{"3.attn", 0.05}
	base := drop(o, []int32{9, 0, 7, 0})
	zeros, sum := 0, 0.0
	for _, x := range base {
		if x == 0 {
			zeros++
		}
		sum += x
	}
	n := float64(len(base))
	if sd := math.Sqrt(0.05 * 0.95 / n); math.Abs(float64(zeros)/n-0.05) > 4*sd || math.Abs(sum/n-1) > 5*sd {
		t.Errorf("%d of %v elements are dropped, the mean of the others is %v", zeros, n, sum/n)
	}
	for name, other := range map[string][]float64{
		"seed": drop(o, []int32{8, 0, 7, 0}), "seed's upper half": drop(o, []int32{9, 1, 7, 0}),
		"step": drop(o, []int32{9, 0, 8, 0}), "place": drop(DropoutOp{"4.attn", 0.05}, []int32{9, 0, 7, 0}),
	} {
		both := 0
		for i := range base {
			if base[i] == 0 && other[i] == 0 {
				both++
			}
		}
		if share := float64(both) / n; share > 0.0025+4*math.Sqrt(0.0025/n) {
			t.Errorf("another %s drops the same elements: %d of %d", name, both, zeros)
		}
	}
	if later := drop(o, []int32{9, 0, 7, 50}); !slices.Equal(later[:(rows-50)*width], base[50*width:]) {
		t.Error("rows are dropped otherwise in a batch that begins later")
	}
}
