package infer

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/quant"
)

func TestParseQuantization(t *testing.T) {
	for text, want := range map[string]Quantization{
		"": {}, "none": {}, "w8a8": {Activations: quant.Symmetric}, "w8a8-head": {Activations: quant.Symmetric, Head: true},
		"w8a8:asymmetric": {Activations: quant.Asymmetric}, "w8a8-head:compressed-tensors": {Activations: quant.Compressed, Head: true},
	} {
		q, err := ParseQuantization(text)
		if err != nil || q != want {
			t.Errorf("%q: %+v, %v", text, q, err)
		}
		if text != "" && q.String() != text {
			t.Errorf("%q prints as %s", text, q)
		}
	}
	for _, bad := range []string{"w4a8", "w8a8-", "w8a8:max", "W8A8", "w8a8-head-head"} {
		if q, err := ParseQuantization(bad); err == nil {
			t.Errorf("%q: %+v", bad, q)
		}
	}
}

// W8A8 stays near the logits in float32, and an infinity in a weight is named.
func TestQuantized(t *testing.T) {
	c := small(260)
	dir := savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil)
	ids := []int32{70, 3, 200, 11, 42, 255, 1}
	want := oracle(t, c, dir, ids)
	for _, scheme := range quant.Schemes() {
		for _, head := range []bool{false, true} {
			m := open(t, dir, LoadOptions{Quantize: Quantization{Activations: scheme, Head: head}})
			if d := deviation(allLogits(t, m, 0, ids), want); !(d > 1e-5 && d < 0.1) {
				t.Errorf("%s: logits deviate by %.2g", m.Types(), d)
			}
		}
	}
	dir = savedAs(t, filepath.Join(t.TempDir(), "inf"), c, func(name string, x []float32) {
		if strings.HasSuffix(name, "down_proj.weight") {
			x[5] = float32(math.Inf(1))
		}
	})
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	_, err := Load(dir, dev, LoadOptions{Quantize: Quantization{Activations: quant.Symmetric}})
	if err == nil || !strings.Contains(err.Error(), "down_proj.weight") || !strings.Contains(err.Error(), "element 5 is +Inf") {
		t.Errorf("an infinite weight: %v", err)
	}
	if m := open(t, dir, LoadOptions{Precision: engine.PrecisionBF16}); m.Types() != "bf16" {
		t.Error(m.Types())
	}
}
