package export_test

import (
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/export/exporttest"
)

// A model and its unrolled twin are one function.
func TestUnrolled(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	ids := []int32{1, 7, 260, 261, 44, 9, 299, 0, 12, 3}
	for _, s := range []arch.LayerSharing{
		{Strategy: arch.NoSharing},
		{Strategy: arch.Immediate, Repeat: 2},
		{Strategy: arch.RepeatAllOver, Repeat: 3},
		{Strategy: arch.Reverse, Repeat: 2},
	} {
		c := exporttest.Config()
		c.LayerSharing = s
		m := exporttest.Model(c, 1)
		u, err := m.Unrolled()
		if err != nil {
			t.Fatal(err)
		}
		if u.Config.LayerSharing.Shared() || u.Config.Layers != c.Schedule().Len() {
			t.Errorf("%s: %d layers, sharing %+v", s.Strategy, u.Config.Layers, u.Config.LayerSharing)
		}
		want, err := m.Logits(dev, ids)
		if err != nil {
			t.Fatal(err)
		}
		got, err := u.Logits(dev, ids)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Fatalf("%s: logit %d is %v, want %v", s.Strategy, i, got[i], want[i])
			}
		}
		if s.Repeat > 0 && len(u.Config.Parameters()) <= len(c.Parameters()) {
			t.Errorf("%s: no more parameters than before", s.Strategy)
		}
	}
}

// Ours to a folder and back is the same to the bit, in every sharing.
func TestFolderRoundTrip(t *testing.T) {
	for _, s := range []arch.LayerSharing{{Strategy: arch.NoSharing, Repeat: 2}, {Strategy: arch.Reverse, Repeat: 3}} {
		c := exporttest.Config()
		c.LayerSharing = s
		m := exporttest.Model(c, 2)
		dir := filepath.Join(t.TempDir(), "model")
		if _, err := m.SaveFolder(dir, export.FolderOptions{DType: "F32"}); err != nil {
			t.Fatal(err)
		}
		got, err := export.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got.Config != m.Config || !reflect.DeepEqual(got.Meta, m.Meta) || !reflect.DeepEqual(got.Weights, m.Weights) {
			t.Errorf("%s: came back as %+v %+v", s.Strategy, got.Config, got.Meta)
		}
		gotTokens, err := got.Vocabulary()
		if err != nil {
			t.Fatal(err)
		}
		if want := exporttest.Vocabulary(); !reflect.DeepEqual(gotTokens.Tokens, want.Tokens) || !reflect.DeepEqual(gotTokens.Special, want.Special) {
			t.Errorf("%s: tokens came back as %v", s.Strategy, gotTokens)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		change func(*export.Model)
		want   string
	}{
		{func(m *export.Model) { delete(m.Weights, arch.NormName) }, "tensor model.norm.weight is missing; shape [32]"},
		{func(m *export.Model) { m.Weights[arch.NormName] = make([]float32, 3) }, "tensor model.norm.weight has 3 elements; shape [32]"},
		{func(m *export.Model) { m.Config.FFN = "cube" }, "model.ffn (cube) must be "},
		{func(m *export.Model) { m.Config.LayerSharing.Strategy = "twice" }, "model.layer_sharing.strategy (twice) must be "},
		{func(m *export.Model) { m.Config.VocabSize = 20 }, "tensor model.embed_tokens.weight has 9600 elements"},
	} {
		m := exporttest.Model(exporttest.Config(), 1)
		tt.change(m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}
