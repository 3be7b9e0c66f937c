package train

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"mobilellm/arch"
)

func TestLayerMap(t *testing.T) {
	for _, test := range []struct {
		yaml string
		n, m int
		want []int
	}{
		{"interleave", 6, 3, []int{0, 0, 1, 1, 2, 2}},
		{"interleave", 2, 4, []int{0, 2}},
		{"interleave", 3, 3, []int{0, 1, 2}},
		{"interleave", 5, 3, []int{0, 0, 1, 1, 2}},
		{"stack", 5, 2, []int{0, 1, 0, 1, 0}},
		{"[2, 0, 1]", 3, 3, []int{2, 0, 1}},
	} {
		var l LayerMap
		if err := yaml.Unmarshal([]byte(test.yaml), &l); err != nil {
			t.Fatal(err)
		}
		if got, err := l.layers(test.n, test.m); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s of %d for %d: %v, %v; want %v", test.yaml, test.m, test.n, got, err, test.want)
		}
		raw, err := yaml.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var again LayerMap
		if err := yaml.Unmarshal(raw, &again); err != nil || again != l {
			t.Errorf("%s is written as %s and read as %+v, %v", test.yaml, raw, again, err)
		}
	}
	var l LayerMap
	checkError(t, yaml.Unmarshal([]byte("middle"), &l), `"middle" is neither interleave or stack nor a list of layers`)
	if err := yaml.Unmarshal([]byte("''"), &l); err != nil || l.given() {
		t.Errorf("an empty map is %+v, %v", l, err)
	}
}

// Layers begin as those that the map names, a wider vocabulary's rows as the mean, and all
// else as it was.
func TestWarmStart(t *testing.T) {
	small := tiny(t)
	small.Model.LayerSharing.Strategy, small.Model.ShareEmbedding, small.Train.Steps = arch.NoSharing, false, 2
	out, result := train(t, small, Options{})
	old := func(name string) []float32 { return weight(t, out, name) }

	for _, test := range []struct {
		name   string
		layers string
		wider  bool
		change func(m *arch.Config)
		from   []int
	}{
		{"deeper", "stack", false, func(m *arch.Config) { m.Layers = 4 }, []int{0, 1, 0, 1}},
		{"deeper, interleaved", "interleave", false, func(m *arch.Config) { m.Layers = 3 }, []int{0, 0, 1}},
		{"shared from unshared", "interleave", false, func(m *arch.Config) { m.LayerSharing.Strategy = arch.Immediate }, []int{0, 1}},
		{"shallower and shared", "[1]", false, func(m *arch.Config) { m.Layers, m.LayerSharing.Strategy = 1, arch.Reverse }, []int{1}},
		{"wider vocabulary", "", true, func(m *arch.Config) { m.VocabSize = 270 }, []int{0, 1}},
		{"wider vocabulary, deeper", "stack", true, func(m *arch.Config) { m.VocabSize, m.Layers = 270, 3 }, []int{0, 1, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := small
			test.change(&c.Model)
			if err := yaml.Unmarshal([]byte(test.layers), &c.Init.Layers); err != nil {
				t.Fatal(err)
			}
			c.Init.Model, c.Init.WiderVocab = result.Checkpoint, test.wider
			c.Train.Steps, c.Optim.LR, c.Optim.WeightDecay = 1, 1e-30, 0 // changes nothing
			made, r := train(t, c, Options{})
			if r.Before == nil {
				t.Error("the weights were not scored before the first step")
			}
			for _, p := range c.Model.Parameters() {
				got, name := weight(t, made, p.Name), p.Name
				if p.Layer >= 0 {
					name = p.In(test.from[p.Layer])
				}
				want := old(name)
				if !slices.Equal(got[:len(want)], want) {
					t.Errorf("%s is not what %s was", p.Name, name)
				}
				if fresh := got[len(want):]; len(fresh) > 0 {
					checkNewRows(t, p.Name, fresh, want, c.Model.Dim)
				}
			}
		})
	}
}

func checkNewRows(t *testing.T, name string, fresh, old []float32, width int) {
	t.Helper()
	mean := make([]float64, width)
	for i, x := range old {
		mean[i%width] += float64(x) / float64(len(old)/width)
	}
	for i, x := range fresh {
		if off := math.Abs(float64(x) - mean[i%width]); off > 1e-6 {
			t.Fatalf("%s: value %d of the new rows is %g from the mean", name, i, off)
		}
	}
}

// What the section init does not map is refused, with the key that would map it.
func TestWarmStartErrors(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 1
	_, result := train(t, c, Options{})
	for _, test := range []struct {
		change func(c *RunConfig)
		want   []string
	}{
		{func(c *RunConfig) { c.Model.Layers = 4 }, []string{"init: model.layers is 2 in ", " and 4 in the configuration", "\nhint: --set init.layers=interleave or stack"}},
		{func(c *RunConfig) { c.Model.LayerSharing.Strategy = arch.NoSharing }, []string{"init: model.layer_sharing", "\nhint: --set init.layers="}},
		{func(c *RunConfig) { c.Model.VocabSize = 300 }, []string{"init: model.vocab_size is 257 in ", "\nhint: --set init.wider_vocab=true"}},
		{func(c *RunConfig) { c.Model.Layers, c.Init.Layers = 3, LayerMap{list: "[0 1]"} }, []string{"init.layers ([0 1]) has 2 layers, model.layers is 3"}},
		{func(c *RunConfig) { c.Init.Layers = LayerMap{list: "[0 2]"} }, []string{"init.layers ([0 2]): layer 2 is not one of the model's 2"}},
		{func(c *RunConfig) { c.Model.QKNorm, c.Init.Layers.rule = true, "stack" }, []string{"init: model.qk_norm is false in "}},
		{func(c *RunConfig) { c.Init = Init{WiderVocab: true} }, []string{"init.wider_vocab (true)", "hint: name it in init.model or with --init"}},
		{func(c *RunConfig) { c.Init.Model = "nowhere" }, []string{"init: "}},
	} {
		c := c
		c.Init.Model = result.Checkpoint
		test.change(&c)
		_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: filepath.Join(t.TempDir(), "run")})
		checkError(t, err, test.want...)
	}
}

// An adapter's file names the model that it is of, which must be one.
func TestAdaptersOfAnotherShape(t *testing.T) {
	for _, init := range []Init{{Layers: LayerMap{rule: "stack"}}, {WiderVocab: true}} {
		c := tiny(t)
		c.LoRA, c.Init = &arch.LoRA{Rank: 2}, init
		checkError(t, c.Validate(), "lora: adapters are of a model as it is: init.layers and init.wider_vocab make another")
	}
}
