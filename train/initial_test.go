package train

import (
	"math"
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/device"
	"mobilellm/engine"
)

func drawn(t *testing.T, params []arch.Parameter, workers int, seed uint64) map[string][]float32 {
	t.Helper()
	dev, err := device.Open("cpu", workers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	w, err := newWeights(dev, params, engine.WeightOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := initialise(w, params, 0.02, seed, dev); err != nil {
		t.Fatal(err)
	}
	values := map[string][]float32{}
	for _, p := range params {
		values[p.Name] = slices.Clone(w.Value(p.Name).Float32s())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return values
}

// Weights are normal with the model's deviation, and depend on seed, name and
// place alone.
func TestInitialise(t *testing.T) {
	c := tiny(t).Model
	c.VocabSize, c.Dim = 4096, 64 // an embedding of several chunks
	params := c.Parameters()
	want := drawn(t, params, 1, 1)
	for _, p := range params {
		var sum, squares, fourth float64
		for _, x := range want[p.Name] {
			sum += float64(x)
			squares += float64(x) * float64(x)
			fourth += math.Pow(float64(x), 4)
		}
		n := float64(len(want[p.Name]))
		if p.Norm {
			if sum != n || squares != n {
				t.Errorf("%s is not all ones", p.Name)
			}
			continue
		}
		variance := squares / n
		limit := 5 / math.Sqrt(n) // five standard errors and more
		if math.Abs(sum/n) > 0.02*limit || math.Abs(math.Sqrt(variance)/0.02-1) > limit || math.Abs(fourth/n/(variance*variance)-3) > 10*limit {
			t.Errorf("%s: mean %g, deviation %g, kurtosis %g", p.Name, sum/n, math.Sqrt(variance), fourth/n/(variance*variance))
		}
	}
	reversed := slices.Clone(params)
	slices.Reverse(reversed)
	for name, values := range drawn(t, reversed, 3, 1) {
		if !slices.Equal(values, want[name]) {
			t.Errorf("%s depends on the order of parameters or the number of workers", name)
		}
	}
	embedding := want[arch.EmbeddingName]
	if slices.Equal(drawn(t, params, 1, 2)[arch.EmbeddingName], embedding) {
		t.Error("another seed gives the same embedding")
	}
	if slices.Equal(embedding[:1000], embedding[initialChunk:initialChunk+1000]) {
		t.Error("two chunks are the same")
	}
}
