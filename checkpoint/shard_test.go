package checkpoint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/tokenizer"
)

func TestShards(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		files []string
	}{
		{0, []string{"config.json", "generation_config.json", "model.safetensors"}},
		{4000, []string{
			"config.json", "generation_config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
			"model.safetensors.index.json",
		}},
	} {
		c := tiny()
		want := weightsOf(c, safetensors.F32)
		dir := filepath.Join(t.TempDir(), "model")
		if err := SaveModel(dir, Contents{Config: c, Meta: Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}}, Weights: want, ShardBytes: tt.limit}); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); !slices.Equal(got, tt.files) {
			t.Errorf("limit %d: files %v, want %v", tt.limit, got, tt.files)
		}
		if got := read(t, dir, GenerationFile); !strings.Contains(got, `"bos_token_id": 1`) || !strings.Contains(got, `"eos_token_id": 2`) {
			t.Errorf("generation_config.json is %s", got)
		}
		m, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		got := emptied(want)
		if err := m.Load(got); err != nil {
			t.Fatal(err)
		}
		equalTensors(t, got, want)
	}
}

// A limit below the largest tensor gives that one a file of its own.
func TestShardsOfOneTensor(t *testing.T) {
	c := tiny()
	dir := filepath.Join(t.TempDir(), "model")
	if err := SaveModel(dir, Contents{Config: c, Meta: Meta{Tokens: tokenizer.ModelTokens{BOS: -1, EOS: nil, PAD: -1}}, Weights: weightsOf(c, safetensors.F32), ShardBytes: 1}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "model-*.safetensors"))
	if err != nil || len(files) != len(c.Parameters()) {
		t.Errorf("%d files for %d tensors: %v", len(files), len(c.Parameters()), err)
	}
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
}

// testdata/golden.py wrote the same model as pytorch_model.bin, whole and in
// shards.
func TestTorchFolders(t *testing.T) {
	for _, dir := range []string{"testdata/torch", "testdata/torch-sharded"} {
		m, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c := tiny()
		c.ShareEmbedding = dir == "testdata/torch"
		if m.Config != c {
			t.Errorf("%s is\n%+v, want\n%+v", dir, m.Config, c)
		}
		want := weightsOf(c, safetensors.F32)
		got := emptied(want)
		if err := m.Load(got); err != nil {
			t.Fatal(err)
		}
		equalTensors(t, got, want)
	}
}

func TestRoPEScalingRoundTrip(t *testing.T) {
	for _, s := range []arch.RoPEScaling{
		{Type: arch.PlainRoPE},
		{Type: arch.LinearRoPE, Factor: 2.5},
		{Type: arch.DynamicRoPE, Factor: 4},
		{Type: arch.Llama3RoPE, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 32},
	} {
		c := tiny()
		c.RoPEScaling = s
		raw, err := MarshalConfig(c, Meta{Tokens: tokenizer.ModelTokens{BOS: -1, EOS: nil, PAD: -1}})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := parseConfig(raw)
		if err != nil || got != c {
			t.Errorf("%+v came back as\n%+v, %v", c, got, err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, path := range []string{"testdata/hf-llama/config.json", "testdata/go-shared/config.json"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, m, err := parseConfig(raw)
		if err != nil {
			return
		}
		// What is read can be written, and means the same.
		again, err := MarshalConfig(c, m)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if got, _, err := parseConfig(again); err != nil || got != c {
			t.Fatalf("%+v came back as\n%+v, %v", c, got, err)
		}
	})
}

func FuzzShardIndex(f *testing.F) {
	index, err := os.ReadFile("testdata/hf-sharded/model.safetensors.index.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(index)
	f.Add([]byte(`{"weight_map":{"a":"../../etc/passwd"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, IndexFile)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := openShards(dir, path)
		if err == nil && len(files.where) > 0 {
			t.Fatal("tensors were found in an empty folder")
		}
	})
}
