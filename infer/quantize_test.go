package infer

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/quant"
)

func TestParseQuantization(t *testing.T) {
	for text, want := range map[string]Quantization{
		"": {Stored: true}, "none": {}, "w8a8": {Activations: quant.Symmetric}, "w8a8-head": {Activations: quant.Symmetric, Head: true},
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
	for _, bad := range []string{"w5a8", "w16a16", "int8", "w8a8-", "w8a8:max", "W8A8", "w8a8-head-head"} {
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

// A model that learned with few bits has the logits of its graph: its weights are rounded
// when they are read. What it learned in 8 bits is multiplied in integers.
func TestLearnedInFewBits(t *testing.T) {
	ids := []int32{70, 3, 200, 11, 42, 255, 1}
	for _, test := range []struct {
		q         arch.Quantize
		types     string
		tolerance float64
	}{
		{arch.Quantize{Weights: 4, Method: quant.LSQ}, "float32", 1e-5},
		{arch.Quantize{Weights: quant.Ternary, Method: quant.SEQ}, "float32", 1e-5},
		{arch.Quantize{Weights: 1, Method: quant.Sign}, "float32", 1e-5},
		{arch.Quantize{Weights: 4, Activations: 8}, "float32", 0.02}, // a rounding may flip
		{arch.Quantize{Weights: 8, Activations: 8}, "w8a8, float32", 0.02},
		{arch.Quantize{Weights: 8, Activations: 8, Scheme: quant.Asymmetric}, "w8a8:asymmetric, float32", 0.02},
	} {
		c := small(260)
		c.Quantize = test.q
		dir := savedAs(t, filepath.Join(t.TempDir(), "model"), c.Resolved(), func(name string, x []float32) {
			if strings.HasSuffix(name, "weight_clip_val") {
				for i := range x {
					x[i] = 0.2
				}
			}
		})
		want := oracle(t, c.Resolved(), dir, ids)
		m := open(t, dir, LoadOptions{Quantize: Quantization{Stored: true}})
		if m.Types() != test.types {
			t.Errorf("%v runs in %s, want %s", test.q, m.Types(), test.types)
		}
		d := deviation(allLogits(t, m, 0, ids), want)
		if !(d <= test.tolerance) {
			t.Errorf("%v: logits deviate by %.2g", test.q, d)
		}
		c.Quantize = arch.Quantize{}
		if plain := deviation(oracle(t, c.Resolved(), dir, ids), want); plain < 2*d {
			t.Errorf("%v: not rounding changes the logits by %.2g, running the model by %.2g", test.q, plain, d)
		}
	}
}

// Other bits are rounded when the weights are read, as a model that learned with them is.
func TestRoundedAfterTraining(t *testing.T) {
	ids := []int32{70, 3, 200, 11, 42, 255, 1}
	c := small(260)
	dir := savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil)
	for _, text := range []string{"w4a16", "w3a16", "w2a16", "w1a16", "w16a8:asymmetric"} {
		q, err := ParseQuantization(text)
		if err != nil {
			t.Fatal(err)
		}
		m := open(t, dir, LoadOptions{Quantize: q})
		if want := text + ", float32"; m.Types() != want {
			t.Errorf("runs in %s, want %s", m.Types(), want)
		}
		learned := c
		learned.Quantize = q.Rounded
		want := oracle(t, learned.Resolved(), dir, ids)
		if d := deviation(allLogits(t, m, 0, ids), want); !(d <= 0.02) {
			t.Errorf("%s: logits deviate by %.2g", text, d)
		}
	}
	learned := small(260)
	learned.Quantize = arch.Quantize{Weights: 4}
	dir = savedAs(t, filepath.Join(t.TempDir(), "learned"), learned.Resolved(), nil)
	q, _ := ParseQuantization("w2a16")
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	if _, err := Load(dir, dev, LoadOptions{Quantize: q}); err == nil || !strings.Contains(err.Error(), "the model has learned in w4a16, minmax: it cannot be quantised in w2a16") {
		t.Error(err)
	}
}
