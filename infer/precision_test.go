package infer

import (
	"path/filepath"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine"
	"mobilellm/tokenizer"
)

// With auto, weights are bf16 in memory where the file's are.
func TestPrecisionAuto(t *testing.T) {
	c := small(260)
	for stored, want := range map[safetensors.DType]engine.Precision{
		safetensors.F32: engine.PrecisionF32, safetensors.F16: engine.PrecisionF32, safetensors.BF16: engine.PrecisionBF16,
	} {
		var weights []safetensors.Tensor
		for _, p := range c.Parameters() {
			weights = append(weights, safetensors.Tensor{Name: p.Name, DType: stored, Shape: p.Shape, Data: make([]float32, p.Size())})
		}
		dir := filepath.Join(t.TempDir(), "model")
		if err := checkpoint.SaveModel(dir, checkpoint.Contents{
			Config: c, Meta: checkpoint.Meta{Tokens: checkpoint.NoTokens()}, Weights: weights, Tokenizer: tokenizer.Bytes().Save,
		}); err != nil {
			t.Fatal(err)
		}
		for weights, want := range map[string]engine.Precision{"auto": want, "float32": engine.PrecisionF32, "bf16": engine.PrecisionBF16} {
			var o LoadOptions
			if err := o.SetTypes(weights, "float32", ""); err != nil {
				t.Fatal(err)
			}
			if m := open(t, dir, o); m.Precision() != want {
				t.Errorf("a file of %v with %s: %v in memory, want %v", stored, weights, m.Precision(), want)
			}
		}
	}
}
