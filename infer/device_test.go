//go:build unix

package infer

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/device"
	"mobilellm/engine/cpu"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/shadow"
)

var (
	_ Device = device.Device(nil)
	_ Device = (*cuda.Device)(nil)
)

// A model gives the same logits, and so the same text, from a memory that the host
// cannot touch.
func TestRemoteDevice(t *testing.T) {
	dir := saved(t, filepath.Join(t.TempDir(), "model"), 257)
	processor := cpu.New(cpu.Options{Workers: 2})
	defer processor.Close()
	remote, err := cuda.New(func() (cuda.Driver, error) { return shadow.New(shadow.Options{}), nil }, cuda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	var texts [2][]int32
	var logits [2][]float32
	for i, dev := range []Device{processor, remote} {
		m, err := Load(dir, dev, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		row, err := m.Logits([]int32{256, 'd', 'e', 'e', 'p'})
		if err != nil {
			t.Fatal(err)
		}
		logits[i] = slices.Clone(row)
		o := Options{MaxTokens: 20}
		if err := m.Generate(context.Background(), m.Tokenizer.Prompt("thin"), o, func(id int32) { texts[i] = append(texts[i], id) }); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range logits[0] {
		if math.Abs(float64(want-logits[1][id])) > 1e-4 {
			t.Fatalf("logit %d is %g, on the processor %g", id, logits[1][id], want)
		}
	}
	if !slices.Equal(texts[0], texts[1]) || len(texts[0]) == 0 {
		t.Errorf("greedy text %v, on the processor %v", texts[1], texts[0])
	}
}
