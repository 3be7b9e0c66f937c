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

// The z-loss is trained on, and reported apart: it falls, and the first loss is that of a
// run without.
func TestZLoss(t *testing.T) {
	c := tiny(t)
	bare, _ := train(t, c, Options{})
	c.Train.ZLoss = 0.1
	out, result := train(t, c, Options{})
	without, with := steps(t, bare), steps(t, out)
	if first := with[0]; math.Abs(first.Loss-without[0].Loss) > 1e-5 || !(first.ZLoss > 2.5 && first.ZLoss < 3.5) { // 0.1·log²257
		t.Errorf("the first step has loss %v and z-loss %v, loss %v without", first.Loss, first.ZLoss, without[0].Loss)
	}
	last := with[len(with)-1]
	if !(last.ZLoss < 0.9*with[0].ZLoss) || last.Loss == without[len(without)-1].Loss || without[0].ZLoss != 0 {
		t.Errorf("the last step has loss %v and z-loss %v, loss %v without", last.Loss, last.ZLoss, without[len(without)-1].Loss)
	}
	if result.Loss != last.Loss || math.Abs(float64(result.Heldout.HeldoutLoss)-last.Loss) > 0.5 {
		t.Errorf("the result's loss is %v, held out %v", result.Loss, result.Heldout.HeldoutLoss)
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		c.Train.ZLoss = bad
		checkError(t, c.Validate(), "train.z_loss (")
	}
	c.Train.ZLoss, c.Distil.Teacher = 1e-4, "teacher"
	checkError(t, c.Validate(), "train.z_loss (0.0001) is for a run without a teacher")
}
