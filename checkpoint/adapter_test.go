package checkpoint_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/modeltest"
	"mobilellm/checkpoint/safetensors"
)

// adapterOf is an adapter of a model, its values drawn by the seed.
func adapterOf(t *testing.T, c arch.Config, l arch.LoRA, seed uint64) checkpoint.AdapterContents {
	t.Helper()
	params, err := l.Parameters(c)
	if err != nil {
		t.Fatal(err)
	}
	contents := checkpoint.AdapterContents{LoRA: l}
	x := seed
	for _, p := range params {
		data := make([]float32, p.Size())
		for i := range data {
			x = x*6364136223846793005 + 1442695040888963407
			data[i] = float32(x>>40)/(1<<24) - 0.5
		}
		contents.Tensors = append(contents.Tensors, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: data})
	}
	return contents
}

// model writes a model folder.
func model(t *testing.T, c arch.Config, seed uint64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	contents := checkpoint.Contents{Config: c, Meta: checkpoint.Meta{Tokens: modeltest.Tokens()}}
	weights := modeltest.Weights(c, seed)
	for _, p := range c.Parameters() {
		contents.Weights = append(contents.Weights, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: weights[p.Name]})
	}
	if err := checkpoint.SaveModel(dir, contents); err != nil {
		t.Fatal(err)
	}
	return dir
}

// An adapter comes back as it was written, and a model that it is merged into has
// W + scale·B·A, read whole or in parts; by itself it opens the model that it names.
func TestAdapter(t *testing.T) {
	c := modeltest.Config()
	for _, l := range []arch.LoRA{{Rank: 3, Alpha: 7, Targets: []string{"q_proj", "down_proj"}, Dropout: 0.1}, {Rank: 4, RSLoRA: true}} {
		base := model(t, c, 1)
		contents := adapterOf(t, c, l, 5)
		m, err := checkpoint.Open(base)
		if err != nil {
			t.Fatal(err)
		}
		contents.Base = base
		if contents.BaseFingerprint, err = m.Fingerprint(); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "adapter")
		if err := checkpoint.SaveAdapter(dir, contents); err != nil {
			t.Fatal(err)
		}
		a, err := checkpoint.OpenAdapter(dir)
		if err != nil {
			t.Fatal(err)
		}
		if a.Base != base || a.LoRA.Rank != l.Rank || a.LoRA.Scale() != l.Scale() || a.LoRA.Dropout != l.Dropout || a.BaseFingerprint != contents.BaseFingerprint {
			t.Errorf("%+v was read of %+v", a, contents)
		}
		factors := map[string][]float32{}
		for _, tensor := range contents.Tensors {
			factors[tensor.Name] = tensor.Data
		}
		for _, path := range []string{base, dir} {
			adapter := dir
			if path == dir {
				adapter = ""
			}
			merged, err := checkpoint.OpenWith(path, adapter)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Parameters() {
				want := make([]float32, p.Size())
				if err := m.LoadInto(p.Name, want, p.Shape); err != nil {
					t.Fatal(err)
				}
				if down, up := factors[arch.AdapterName(p.Name, arch.AdapterA)], factors[arch.AdapterName(p.Name, arch.AdapterB)]; down != nil {
					for o := range p.Shape[0] {
						for i := range p.Shape[1] {
							sum := 0.0
							for k := range l.Rank {
								sum += float64(up[o*l.Rank+k]) * float64(down[k*p.Shape[1]+i])
							}
							want[o*p.Shape[1]+i] += float32(l.Scale() * sum)
						}
					}
				}
				got := make([]float32, p.Size())
				if err := merged.LoadInto(p.Name, got, p.Shape); err != nil {
					t.Fatal(err)
				}
				first := len(got) / 3
				part := make([]float32, len(got)/2)
				if err := merged.LoadPart(p.Name, first, part, p.Shape); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if math.Abs(float64(got[i]-want[i])) > 1e-5 {
						t.Fatalf("%s[%d] is %v, want %v", p.Name, i, got[i], want[i])
					}
					if j := i - first; j >= 0 && j < len(part) && part[j] != got[i] {
						t.Fatalf("%s[%d] is %v in part, %v in all", p.Name, i, part[j], got[i])
					}
				}
			}
			if merged.StoresBF16() || merged.Adapter() == nil {
				t.Error("a model with an adapter says that it has none")
			}
			if err := merged.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAdapterRefuses(t *testing.T) {
	c := modeltest.Config()
	base := model(t, c, 1)
	m, err := checkpoint.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	print, err := m.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	other := c
	other.FFNDim = 96
	deeper := c
	deeper.Layers = 3
	edit := func(old, new string) func(string) string {
		return func(config string) string { return strings.Replace(config, old, new, 1) }
	}
	for name, test := range map[string]struct {
		of     arch.Config
		edit   func(string) string
		change func(*checkpoint.AdapterContents)
		want   []string
	}{
		"wider model":         {of: other, want: []string{"is of another model", "model.layers.0.mlp.down_proj of shape [32 96]", "[32 64]"}},
		"deeper model":        {of: deeper, want: []string{"is of another model", "model.layers.2.", "2 blocks"}},
		"other weights":       {of: c, change: func(a *checkpoint.AdapterContents) { a.BaseFingerprint = strings.Repeat("0", 64) }, want: []string{"trained on another model of this shape", "0000000000000000…", print[:16]}},
		"rank of the file":    {of: c, edit: edit(`"r": 4`, `"r": 8`), want: []string{"the factors of model.layers.0.mlp.down_proj are A [4 64] and B [32 4]", "rank 8"}},
		"rank 0":              {of: c, edit: edit(`"r": 4`, `"r": 0`), want: []string{"adapter_config.json: r (0) must be 1 or more"}},
		"no rank":             {of: c, edit: edit(`"r": 4,`, ``), want: []string{"r or lora_alpha is missing"}},
		"alpha 0":             {of: c, edit: edit(`"lora_alpha": 8`, `"lora_alpha": 0`), want: []string{"lora_alpha (0)"}},
		"DoRA":                {of: c, edit: edit(`"use_dora": false`, `"use_dora": true`), want: []string{"use_dora (true) is not supported"}},
		"modules_to_save":     {of: c, edit: edit(`"modules_to_save": null`, `"modules_to_save": ["lm_head"]`), want: []string{`modules_to_save (["lm_head"]) is not supported`}},
		"bias":                {of: c, edit: edit(`"bias": "none"`, `"bias": "all"`), want: []string{`bias ("all") is not supported`}},
		"ranks of their own":  {of: c, edit: edit(`"rank_pattern": {}`, `"rank_pattern": {"q_proj": 8}`), want: []string{"rank_pattern", "is not supported"}},
		"a changed base":      {of: c, edit: edit(`"init_lora_weights": true`, `"init_lora_weights": "pissa"`), want: []string{`init_lora_weights ("pissa") is not supported`}},
		"another kind":        {of: c, edit: edit(`"peft_type": "LORA"`, `"peft_type": "IA3"`), want: []string{`peft_type ("IA3") is not supported`}},
		"an unknown field":    {of: c, edit: edit(`"use_dora": false`, `"use_magic": 1`), want: []string{"use_magic (1) is not supported"}},
		"no JSON":             {of: c, edit: func(string) string { return "{" }, want: []string{"adapter_config.json"}},
		"a tensor besides":    {of: c, change: func(a *checkpoint.AdapterContents) { a.Tensors[0].Name = "model.norm.weight" }, want: []string{"tensor base_model.model.model.norm.weight is not supported"}},
		"a factor is missing": {of: c, change: func(a *checkpoint.AdapterContents) { a.Tensors = a.Tensors[1:] }, want: []string{"has only one of lora_A and lora_B"}},
		"nothing":             {of: c, change: func(a *checkpoint.AdapterContents) { a.Tensors = nil }, want: []string{"holds no adapter"}},
	} {
		t.Run(name, func(t *testing.T) {
			contents := adapterOf(t, test.of, arch.LoRA{Rank: 4}, 3)
			if test.change != nil {
				test.change(&contents)
			}
			dir := filepath.Join(t.TempDir(), "adapter")
			if err := checkpoint.SaveAdapter(dir, contents); err != nil {
				t.Fatal(err)
			}
			if test.edit != nil {
				path := filepath.Join(dir, checkpoint.AdapterConfigFile)
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				edited := test.edit(string(raw))
				if edited == string(raw) {
					t.Fatalf("nothing to edit in %s", raw)
				}
				if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := checkpoint.OpenWith(base, dir)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error is\n%v\nwant %q in it", err, want)
				}
			}
		})
	}
	contents := adapterOf(t, c, arch.LoRA{Rank: 4}, 3)
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := checkpoint.SaveAdapter(dir, contents); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "does not say of which model"} {
		if _, err := checkpoint.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := checkpoint.OpenWith(base, base); err == nil || !strings.Contains(err.Error(), "holds no adapter") {
		t.Errorf("a model as an adapter: %v", err)
	}
}
