package checkpoint

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/tokenizer"
)

var update = flag.Bool("update", false, "write testdata/go-* anew; then run golden.py check")

// tiny is the model of testdata/golden.py.
func tiny() arch.Config {
	c := arch.Default()
	c.VocabSize, c.Layers, c.Dim, c.Heads, c.KVHeads, c.FFNDim = 16, 2, 8, 2, 1, 12
	c.RoPEBase, c.Context = 50000, 64
	return c.Resolved()
}

// fill is golden.py's.
func fill(name string, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i*7+len(name))%64)/64 - 0.5
	}
	return x
}

// weightsOf makes the weights of a model by fill.
func weightsOf(c arch.Config, dtype safetensors.DType) []safetensors.Tensor {
	var list []safetensors.Tensor
	for _, p := range c.Parameters() {
		list = append(list, safetensors.Tensor{Name: p.Name, DType: dtype, Shape: p.Shape, Data: fill(p.Name, int(p.Size()))})
	}
	return list
}

// emptied returns the same tensors with zeros for their values.
func emptied(tensors []safetensors.Tensor) []safetensors.Tensor {
	list := slices.Clone(tensors)
	for i := range list {
		list[i].Data = make([]float32, len(list[i].Data))
	}
	return list
}

func equalTensors(t *testing.T, got, want []safetensors.Tensor) {
	t.Helper()
	for i := range want {
		if !slices.Equal(got[i].Data, want[i].Data) {
			t.Errorf("%s = %v, want %v", want[i].Name, got[i].Data, want[i].Data)
		}
	}
}

func TestReadTransformersFolders(t *testing.T) {
	untied := tiny()
	untied.ShareEmbedding = false
	for _, tt := range []struct {
		dir    string
		config arch.Config
		dtype  safetensors.DType
	}{
		{"testdata/hf-llama", tiny(), safetensors.F32},
		{"testdata/hf-sharded", untied, safetensors.BF16},
	} {
		m, err := Open(tt.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if m.Config != tt.config {
			t.Errorf("%s is\n%+v, want\n%+v", tt.dir, m.Config, tt.config)
		}
		if want := (Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}, DType: tt.dtype}); !reflect.DeepEqual(m.Meta, want) {
			t.Errorf("%s: %+v, want %+v", tt.dir, m.Meta, want)
		}
		want := weightsOf(tt.config, safetensors.F32)
		got := emptied(want)
		if err := m.Load(got); err != nil {
			t.Fatal(err)
		}
		equalTensors(t, got, want)
	}
}

// transformers loaded these folders' bytes: golden.py check.
func TestWriteGoldenFolders(t *testing.T) {
	untied, shared := tiny(), tiny()
	untied.ShareEmbedding = false
	shared.LayerSharing = arch.LayerSharing{Strategy: arch.Reverse, Repeat: 3}
	for _, tt := range []struct {
		dir    string
		config arch.Config
		dtype  safetensors.DType
	}{
		{"testdata/go-llama", tiny(), safetensors.F32},
		{"testdata/go-untied", untied, safetensors.BF16},
		{"testdata/go-shared", shared, safetensors.F16},
	} {
		dir := filepath.Join(t.TempDir(), "model")
		if *update {
			dir = tt.dir
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		weights := weightsOf(tt.config, tt.dtype)
		if err := SaveModel(dir, Contents{Config: tt.config, Meta: Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}}, Weights: weights}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{ConfigFile, WeightsFile} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(tt.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("wrote %d bytes that differ from %s/%s", len(got), tt.dir, name)
			}
		}
		m, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if m.Config != tt.config {
			t.Errorf("%s came back as\n%+v, want\n%+v", tt.dir, m.Config, tt.config)
		}
		got := emptied(weights)
		if err := m.Load(got); err != nil {
			t.Fatal(err)
		}
		equalTensors(t, got, weights)

		if err := SaveModel(dir, Contents{Config: tt.config, Weights: weights}); err == nil || !strings.Contains(err.Error(), "it exists already") {
			t.Errorf("saving over a folder: %v", err)
		}
	}
}

func TestModelOfAnotherShape(t *testing.T) {
	m, err := Open("testdata/hf-llama")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const file = "testdata/hf-llama/model.safetensors: "
	for _, tt := range []struct {
		name   string
		change func(*arch.Config)
		want   string
	}{
		{"the same", func(*arch.Config) {}, ""},
		{"another vocabulary", func(c *arch.Config) { c.VocabSize = 32 }, file + "tensor model.embed_tokens.weight has shape [16 8]; [32 8] is expected"},
		{"another width", func(c *arch.Config) { c.FFNDim = 16 }, file + "tensor model.layers.0.mlp.gate_proj.weight has shape [12 8]; [16 8] is expected (and 5 more differences)"},
		{"another layer", func(c *arch.Config) { c.Layers = 3 }, file + "tensor model.layers.2.input_layernorm.weight is missing; shape [8] is expected (and 8 more differences)"},
		{"a layer less", func(c *arch.Config) { c.Layers = 1 }, file + "tensor model.layers.1.input_layernorm.weight of shape [8] is not expected (and 8 more differences)"},
		{"a head of its own", func(c *arch.Config) { c.ShareEmbedding = false }, file + "tensor lm_head.weight is missing; shape [16 8] is expected"},
	} {
		c := tiny()
		tt.change(&c)
		checkErr := m.Check(c.Parameters())
		weights := weightsOf(c, safetensors.F32)
		for i := range weights {
			weights[i].Data = make([]float32, len(weights[i].Data))
		}
		loadErr := m.Load(weights)
		for _, err := range []error{checkErr, loadErr} {
			if got := errorText(err); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
		if tt.want != "" && slices.ContainsFunc(weights, func(w safetensors.Tensor) bool {
			return slices.ContainsFunc(w.Data, func(x float32) bool { return x != 0 })
		}) {
			t.Errorf("%s: weights were changed before the error", tt.name)
		}
	}
	if err := m.LoadInto("model.norm.weight", make([]float32, 4), []int{4}); errorText(err) != file+"tensor model.norm.weight has shape [8]; [4] is expected" {
		t.Error(err)
	}
	if err := m.LoadInto("model.norm.bias", make([]float32, 4), []int{4}); errorText(err) != file+"tensor model.norm.bias is missing; shape [4] is expected" {
		t.Error(err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// writeModel writes a folder as others' tools might, without SaveModel's checks.
func writeModel(t *testing.T, c arch.Config, weights []safetensors.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	config, err := MarshalConfig(c, Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}, DType: safetensors.F32})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), config, 0o644); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, weights, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, WeightsFile), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExtraTensors(t *testing.T) {
	c := tiny()
	embedding := fill(arch.EmbeddingName, 16*8)
	frequencies := safetensors.Tensor{Name: "model.layers.0.self_attn.rotary_emb.inv_freq", DType: safetensors.F32, Shape: []int{2}, Data: make([]float32, 2)}
	head := func(values []float32) safetensors.Tensor {
		return safetensors.Tensor{Name: arch.HeadName, DType: safetensors.F32, Shape: []int{16, 8}, Data: values}
	}
	for _, tt := range []struct {
		name  string
		extra safetensors.Tensor
		want  string
	}{
		{"rotary frequencies", frequencies, ""},
		{"the tied head again", head(embedding), ""},
		{"another head", head(make([]float32, 16*8)), "lm_head.weight differs from model.embed_tokens.weight, though config.json says that they are tied"},
		{"a bias", safetensors.Tensor{Name: "model.norm.bias", DType: safetensors.F32, Shape: []int{1}, Data: make([]float32, 1)}, "tensor model.norm.bias of shape [1] is not expected"},
	} {
		dir := writeModel(t, c, append(weightsOf(c, safetensors.F32), tt.extra))
		m, err := Open(dir)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if err := m.Load(emptied(weightsOf(c, safetensors.F32))); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			m.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestOpenRejects(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"no config", func(t *testing.T, dir string) { remove(t, dir, ConfigFile) }, "holds no model: neither config.json nor checkpoints of a run"},
		{"no weights", func(t *testing.T, dir string) { remove(t, dir, WeightsFile) }, "holds neither model.safetensors nor model.safetensors.index.json"},
		{"weights cut short", func(t *testing.T, dir string) { cut(t, dir, WeightsFile, 100) }, "model.safetensors: truncated: "},
		{"an index that leaves the folder", func(t *testing.T, dir string) {
			remove(t, dir, WeightsFile)
			put(t, dir, IndexFile, `{"weight_map":{"a":"../x.safetensors"}}`)
		}, `shard "../x.safetensors" is not a file beside it`},
		{"an index without its shard", func(t *testing.T, dir string) {
			remove(t, dir, WeightsFile)
			put(t, dir, IndexFile, `{"weight_map":{"a":"x.safetensors"}}`)
		}, "x.safetensors: no such file"},
	} {
		dir := writeModel(t, tiny(), weightsOf(tiny(), safetensors.F32))
		tt.spoil(t, dir)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cut shortens a file by so many bytes.
func cut(t *testing.T, dir, name string, bytes int64) {
	t.Helper()
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-bytes); err != nil {
		t.Fatal(err)
	}
}
