package arch_test

import (
	"math"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/configs"
)

// run is a configuration of which only the model matters here.
type run struct {
	Model      arch.Config    `yaml:"model"`
	Data       map[string]any `yaml:"data"`
	Optim      map[string]any `yaml:"optim"`
	Train      map[string]any `yaml:"train"`
	Eval       map[string]any `yaml:"eval"`
	Checkpoint map[string]any `yaml:"checkpoint"`
	Device     string         `yaml:"device"`
}

func (r run) Validate() error { return r.Model.Validate() }

func load(t *testing.T, name string) arch.Config {
	t.Helper()
	r := run{Model: arch.Default()}
	if _, err := configs.Load(&r, configs.Source{Name: name}); err != nil {
		t.Fatal(err)
	}
	return r.Model
}

// The shipped configs are the models of the paper's Table 9.
func TestEmbeddedConfigs(t *testing.T) {
	t.Chdir(t.TempDir())
	sizes := map[string]struct {
		layers, heads, kvHeads, dim, ffnDim int
		millions                            float64
	}{
		"125m": {30, 9, 3, 576, 1536, 124.6},
		"350m": {32, 15, 5, 960, 2560, 345.3},
		"600m": {40, 18, 6, 1152, 3072, 603.1},
		"1b":   {54, 20, 5, 1280, 3584, 1005.46},
		"1.5b": {54, 25, 5, 1600, 4352, 1511.19},
	}
	for _, name := range configs.Names() {
		size, variant, _ := strings.Cut(strings.TrimSuffix(name, ".yaml"), "-")
		want, ok := sizes[size]
		if !ok {
			continue
		}
		c := load(t, name).Resolved()
		got := want
		got.layers, got.heads, got.kvHeads, got.dim, got.ffnDim = c.Layers, c.Heads, c.KVHeads, c.Dim, c.FFNDim
		if got != want || c.FFN != arch.SwiGLU || !c.ShareEmbedding {
			t.Errorf("%s: the model is %+v, want %+v", name, c, want)
		}
		if millions := float64(c.ParameterCount()) / 1e6; math.Abs(millions-want.millions) > 0.11 {
			t.Errorf("%s: %.2f million parameters, want %.2f", name, millions, want.millions)
		}
		run := want.layers
		if strings.HasPrefix(variant, "ls") {
			run *= 2
		}
		if got := c.Schedule().Len(); got != run {
			t.Errorf("%s: %d layers run, want %d", name, got, run)
		}
	}
	if got, want := load(t, "125m"), arch.Default(); got != want {
		t.Errorf("125m.yaml is %+v, the default %+v", got, want)
	}
}

// The quick start shows what the paper is about at a size that trains in minutes.
func TestQuickstart(t *testing.T) {
	t.Chdir(t.TempDir())
	c := load(t, "quickstart")
	if n := c.ParameterCount(); n < 1e6 || n > 2e6 {
		t.Errorf("%d parameters, want 1 to 2 million", n)
	}
	if n := c.Schedule().Len(); n < 12 {
		t.Errorf("%d layers run, want 12 or more", n)
	}
	if c.KVHeads >= c.Heads || !c.ShareEmbedding || c.LayerSharing.Strategy != arch.Immediate || c.FFN != arch.SwiGLU {
		t.Errorf("%+v lacks grouped queries, a shared embedding, immediate sharing or SwiGLU", c)
	}
}

// A mistake in the model's section is reported with its place.
func TestConfigErrors(t *testing.T) {
	_, unknownFFN := arch.ParseFFN("cube")
	tests := []struct{ set, want string }{
		{"model.dim=577", "--set model.dim=577: model.dim (577) must be divisible by model.heads (9)"},
		{"model.ffn=cube", `--set model.ffn=cube: model.ffn: ` + unknownFFN.Error()},
		{"model.layer_sharing.strategy=twice", `--set model.layer_sharing.strategy=twice: model.layer_sharing.strategy: unknown layer sharing strategy "twice": choose none, immediate, repeat_all_over or reverse`},
		{"model.layer=3", `--set model.layer=3: unknown key "model.layer": did you mean "model.layers"?`},
	}
	for _, test := range tests {
		r := run{Model: arch.Default()}
		_, err := configs.Load(&r, configs.Source{Set: []string{test.set}})
		if err == nil || err.Error() != test.want {
			t.Errorf("--set %s: error is\n%v\nwant\n%s", test.set, err, test.want)
		}
	}
}
