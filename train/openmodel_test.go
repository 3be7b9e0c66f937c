package train_test

import (
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/export"
	"mobilellm/export/convert"
	"mobilellm/train"
)

// places are where the model of a checkpoint lies: there, in its run's folder and in a
// GGUF file.
func places(t *testing.T, checkpoint string) []string {
	t.Helper()
	m, err := export.Open(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "model.gguf")
	if _, _, err := convert.Write(m, convert.Options{Format: convert.GGUF, Out: file}); err != nil {
		t.Fatal(err)
	}
	return []string{checkpoint, train.RunFolder(checkpoint), file}
}

// A run starts from the same weights, and learns from the same teacher, wherever the
// model lies.
func TestModelPlaces(t *testing.T) {
	c := train.Tiny(t)
	c.Train.Steps = 2
	var want []float64
	for i, path := range places(t, train.TinyTeacher(t, c, nil)) {
		c := c
		c.Distil.Teacher, c.Distil.Alpha = path, 0.3
		got := train.StepLosses(t, c, train.Options{})
		if i == 0 {
			want = got
		}
		if !slices.Equal(got, want) || len(got) != 2 {
			t.Errorf("taught by %s the losses are %v, want %v", path, got, want)
		}
	}

	c.Model.LayerSharing = arch.LayerSharing{Strategy: arch.NoSharing}
	_, begun := train.Train(t, c, train.Options{})
	for i, path := range places(t, begun.Checkpoint) {
		c := c
		c.Data.Tokenizer = path // the same one again
		got := train.StepLosses(t, c, train.Options{Init: path})
		if i == 0 {
			want = got
		}
		if !slices.Equal(got, want) || len(got) != 2 {
			t.Errorf("from %s the losses are %v, want %v", path, got, want)
		}
	}
}
