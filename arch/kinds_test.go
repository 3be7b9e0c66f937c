package arch

import (
	"fmt"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// unknown is a config with a kind that nothing knows, and what names it.
var unknown = []struct {
	name string
	edit func(c *Config)
	want string // in every error
}{
	{"ffn", func(c *Config) { c.FFN = "cube" }, `"cube": choose ` + SwiGLU.Choices()},
	{"ffn of a given width", func(c *Config) { c.FFN, c.FFNDim = "cube", 1000 }, `"cube": choose ` + SwiGLU.Choices()},
	{"strategy", func(c *Config) { c.LayerSharing.Strategy = "twice" }, `"twice": choose ` + NoSharing.Choices()},
	{"rope scaling", func(c *Config) { c.RoPEScaling = RoPEScaling{Type: "yarn", Factor: 2} }, `"yarn": choose ` + PlainRoPE.Choices()},
}

// A kind that something does not know is an error, and no other kind: where a
// config is checked, and a panic behind that.
func TestUnknownKinds(t *testing.T) {
	panics := func(f func()) (text string) {
		defer func() {
			if r := recover(); r != nil {
				text = fmt.Sprint(r)
			}
		}()
		f()
		return ""
	}
	for _, u := range unknown {
		t.Run(u.name, func(t *testing.T) {
			c := Default()
			u.edit(&c)
			if err := c.Validate(); err == nil {
				t.Error("Validate lets it pass")
			}
			if _, err := c.BuildTraining(1, 4); err == nil {
				t.Error("a graph is built")
			}
			found := 0
			for name, f := range map[string]func(){
				"parameters": func() { c.Parameters() }, "FLOPs": func() { c.ForwardFLOPs(8) },
				"bytes":    func() { c.Bytes(Workload{Batch: 1, Seq: 8, ValueBytes: 4}) },
				"schedule": func() { c.Schedule() }, "times": func() { c.LayerSharing.Times() }, "rope": func() { c.RoPE() },
				"activation": func() { c.FFN.HiddenAct() },
			} {
				if text := panics(f); text != "" {
					found++
					if !strings.HasPrefix(text, "arch: unknown ") || !strings.Contains(text, u.want) {
						t.Errorf("%s: %s, want %s", name, text, u.want)
					}
				}
			}
			if found == 0 {
				t.Error("nothing that depends on it panics")
			}
		})
	}
	if w := FFN("cube").Width(512); w != 0 {
		t.Errorf("an unknown FFN has width %d, want 0", w)
	}
}

// Every kind builds a model, and has what the model's counts ask for.
func TestKnownKinds(t *testing.T) {
	for _, f := range FFNs() {
		c := Config{VocabSize: 17, Layers: 1, Dim: 8, Heads: 2, FFN: f, Context: 8, NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02}.Resolved()
		g, err := c.build(1, 4, tensor.Float32, (*builder).loss)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if err := g.differentiate(); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if c.FFNDim < 1 || f.HiddenAct() == "" || f.kind().kept < 2 {
			t.Errorf("%s: width %d, activation %q, %d values kept", f, c.FFNDim, f.HiddenAct(), f.kind().kept)
		}
	}
	for _, s := range Strategies() {
		c := Default()
		c.LayerSharing.Strategy = s
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if n := c.Schedule().Len(); n != c.Layers*c.LayerSharing.Times() {
			t.Errorf("%s: %d layers run", s, n)
		}
	}
	for _, r := range RoPETypes() {
		c := Default()
		c.RoPEScaling = RoPEScaling{Type: r, Factor: 2, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 64}
		if got := c.RoPE().Scaling.Kind; string(got) != string(r) && !(r == PlainRoPE && got == op.PlainRoPE) {
			t.Errorf("%s becomes %q", r, got)
		}
	}
}
