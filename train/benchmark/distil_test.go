package benchmark

import (
	"context"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/op"
	"mobilellm/optim"
)

func TestDistil(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	model := arch.Config{
		VocabSize: 300, Layers: 1, Dim: 32, Heads: 2, KVHeads: 1, FFNDim: 64, Context: 32, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02,
	}.Resolved()
	teacher := model
	teacher.Dim, teacher.HeadDim, teacher.Layers, teacher.ShareEmbedding = 48, 24, 2, false
	c := Config{Model: model, Optim: optim.Default(), Batch: 2, Seq: 16, Precision: engine.PrecisionF32, Steps: 3, WarmUp: 1}
	for _, temperature := range []float64{1, 2} {
		r, err := Distil(context.Background(), dev, c, teacher, 8, op.Distillation{Temperature: temperature})
		if err != nil {
			t.Fatal(err)
		}
		for name, list := range map[string][]float64{"label": r.Label, "teacher": r.Forward, "online": r.Online, "stored": r.Stored} {
			if len(list) != c.Steps || Median(list) <= 0 {
				t.Errorf("%s: %v", name, list)
			}
		}
		if r.OnlineRatio <= 0 || r.StoredRatio <= 0 || r.Slowdown <= 0 || r.TeacherParameters != teacher.ParameterCount() {
			t.Errorf("%+v", r)
		}
		if text := r.String(); !strings.Contains(text, "online            ") || !strings.Contains(text, "top 8") {
			t.Error(text)
		}
	}
	teacher.VocabSize = 200
	if _, err := Distil(context.Background(), dev, c, teacher, 8, op.Distillation{Temperature: 1}); err == nil || !strings.Contains(err.Error(), "vocabulary of 200") {
		t.Error(err)
	}
}
