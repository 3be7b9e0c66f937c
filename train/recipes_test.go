package train

import (
	"math"
	"path/filepath"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
)

// weight reads a tensor of a run's last checkpoint.
func weight(t *testing.T, out, name string) []float32 {
	t.Helper()
	c, err := checkpoint.OpenNewest(filepath.Join(out, CheckpointsDir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range c.Model.Config.Parameters() {
		if p.Name == name {
			values := make([]float32, p.Size())
			if err := c.Model.LoadInto(name, values, p.Shape); err != nil {
				t.Fatal(err)
			}
			return values
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// Rows of ids that no text has get no gradient: they decay, or stay as they were drawn.
func TestDecayEmbeddings(t *testing.T) {
	c := tiny(t)
	c.Model.ShareEmbedding, c.Train.Steps = false, 3
	decayed, _ := train(t, c, Options{})
	steps := steps(t, decayed)
	c.Optim.DecayEmbeddings = false
	kept, _ := train(t, c, Options{})

	keep := 1.0
	for _, s := range steps {
		keep *= 1 - s.LR*c.Optim.WeightDecay
	}
	a, b := weight(t, decayed, arch.EmbeddingName), weight(t, kept, arch.EmbeddingName)
	for i := 200 * c.Model.Dim; i < 201*c.Model.Dim; i++ { // byte 200 is in no English word
		if want := float64(b[i]) * keep; math.Abs(float64(a[i])-want) > 1e-6*math.Abs(want) || b[i] == 0 {
			t.Errorf("value %d is %v with decay and %v without, want %v of it", i, a[i], b[i], keep)
		}
	}
	for _, test := range []struct {
		name         string
		share, decay bool
		want         bool
	}{
		{arch.EmbeddingName, true, true, true},
		{arch.EmbeddingName, true, false, false},
		{arch.HeadName, false, false, true},
		{arch.NormName, false, true, false},
		{arch.LayerParameterName("mlp.up_proj", 0), false, false, true},
	} {
		c.Model.ShareEmbedding, c.Optim.DecayEmbeddings = test.share, test.decay
		for _, p := range c.Model.Parameters() {
			if p.Name == test.name && c.decays(p) != test.want {
				t.Errorf("%+v: decays is %v", test, !test.want)
			}
		}
	}
}
