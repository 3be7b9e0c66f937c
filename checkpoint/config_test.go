package checkpoint

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/quant"
	"mobilellm/tokenizer"
)

func TestConfigRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*arch.Config)
		want   string // model_type
	}{
		{"the default", func(*arch.Config) {}, "llama"},
		{"untied", func(c *arch.Config) { c.ShareEmbedding = false }, "llama"},
		{"a head size of its own", func(c *arch.Config) { c.HeadDim = 6 }, "llama"},
		{"relu", func(c *arch.Config) { c.FFN = arch.ReLU; c.FFNDim = 0 }, "mobilellm"},
		{"norms of queries and keys", func(c *arch.Config) { c.QKNorm = true }, "qwen3"},
		{"norms of queries and keys, relu", func(c *arch.Config) { c.QKNorm, c.FFN, c.FFNDim = true, arch.ReLU, 0 }, "mobilellm"},
		{"norms of queries and keys, shared", func(c *arch.Config) { c.QKNorm, c.LayerSharing.Strategy = true, arch.Immediate }, "mobilellm"},
		{"immediate", func(c *arch.Config) { c.LayerSharing.Strategy = arch.Immediate }, "mobilellm"},
		{"reverse", func(c *arch.Config) { c.LayerSharing = arch.LayerSharing{Strategy: arch.Reverse, Repeat: 4} }, "mobilellm"},
		{"few bits", func(c *arch.Config) {
			c.Quantize = arch.Quantize{Weights: quant.Ternary, Activations: 8, Method: quant.SEQ, Scheme: quant.Asymmetric}
		}, "mobilellm"},
		{"shared and untied", func(c *arch.Config) { c.LayerSharing.Strategy, c.ShareEmbedding = arch.RepeatAllOver, false }, "mobilellm"},
	} {
		c := tiny()
		tt.change(&c)
		meta := Meta{Tokens: tokenizer.ModelTokens{BOS: -1, EOS: []int32{2}, PAD: -1}, DType: safetensors.BF16}
		raw, err := MarshalConfig(c, meta)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		if fields["model_type"] != tt.want {
			t.Errorf("%s: model_type %v, want %s", tt.name, fields["model_type"], tt.want)
		}
		_, sharing := fields["layer_sharing"]
		if sharing != (tt.want == "mobilellm") {
			t.Errorf("%s: layer_sharing in %s", tt.name, raw)
		}
		dir := t.TempDir()
		put(t, dir, ConfigFile, string(raw))
		got, gotMeta, err := ReadConfig(filepath.Join(dir, ConfigFile))
		if err != nil {
			t.Fatal(err)
		}
		if got != c.Resolved() || !reflect.DeepEqual(gotMeta, meta) {
			t.Errorf("%s came back as\n%+v %+v, want\n%+v %+v", tt.name, got, gotMeta, c.Resolved(), meta)
		}
	}
}

func TestReadConfig(t *testing.T) {
	const shape = `"vocab_size":16,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":12,"rms_norm_eps":1e-5,"rope_theta":50000.0,"max_position_embeddings":64`
	for _, tt := range []struct {
		name, json string
		want       func(*arch.Config) // what differs from tiny
		meta       Meta
	}{
		{
			name: "official, shared", json: `"model_type":"mobilellm","share_embedding":true,"layer_sharing":true,"tie_word_embeddings":false,"hidden_act":"silu"`,
			want: func(c *arch.Config) { c.LayerSharing = arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2} },
		},
		{
			name: "official, not shared", json: `"model_type":"mobilellm","share_embedding":false,"layer_sharing":false`,
			want: func(c *arch.Config) { c.ShareEmbedding = false },
		},
		{
			name: "official fields in a llama folder", json: `"model_type":"llama","share_embedding":true,"layer_sharing":true`,
			want: func(c *arch.Config) { c.LayerSharing.Strategy = arch.Immediate },
		},
		{
			name: "qwen3", json: `"model_type":"qwen3","tie_word_embeddings":true,"use_sliding_window":false,"sliding_window":null,"max_window_layers":28,"layer_types":["full_attention","full_attention"]`,
			want: func(c *arch.Config) { c.QKNorm, c.HeadDim = true, 128 },
		},
		{
			name: "transformers 5", json: `"model_type":"llama","tie_word_embeddings":true,"rope_parameters":{"rope_theta":3000.0,"rope_type":"default"},"dtype":"float16","pad_token_id":null`,
			want: func(c *arch.Config) { c.RoPEBase = 3000 },
			meta: Meta{Tokens: NoTokens(), DType: safetensors.F16},
		},
		{
			name: "both names of the type", json: `"model_type":"llama","tie_word_embeddings":true,"dtype":"bfloat16","torch_dtype":"float32","layer_types":["full_attention","attention"],"per_layer_config":null`,
			want: func(*arch.Config) {},
			meta: Meta{DType: safetensors.BF16},
		},
		{
			name: "relu without ffn", json: `"model_type":"mobilellm","tie_word_embeddings":true,"hidden_act":"relu"`,
			want: func(c *arch.Config) { c.FFN = arch.ReLU },
		},
		{
			name: "nulls and a list of ids", json: `"model_type":"llama","tie_word_embeddings":true,"rope_scaling":null,"head_dim":null,"layer_sharing":null,"quantization_config":null,"bos_token_id":null,"eos_token_id":[3,4],"torch_dtype":"bfloat16"`,
			want: func(*arch.Config) {},
			meta: Meta{Tokens: tokenizer.ModelTokens{BOS: -1, EOS: []int32{3, 4}, PAD: -1}, DType: safetensors.BF16},
		},
	} {
		dir := t.TempDir()
		put(t, dir, ConfigFile, "{"+shape+","+tt.json+"}")
		got, meta, err := ReadConfig(filepath.Join(dir, ConfigFile))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := tiny()
		tt.want(&want)
		if got != want {
			t.Errorf("%s is\n%+v, want\n%+v", tt.name, got, want)
		}
		if len(tt.meta.Tokens.EOS) == 0 {
			tt.meta.Tokens = NoTokens()
		}
		if !reflect.DeepEqual(meta, tt.meta) {
			t.Errorf("%s: %+v, want %+v", tt.name, meta, tt.meta)
		}
	}
}

// What a folder leaves out is what LLaMA's config takes.
func TestReadConfigDefaults(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, ConfigFile, `{"model_type":"llama","vocab_size":16,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":12}`)
	got, _, err := ReadConfig(filepath.Join(dir, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	want := tiny()
	want.KVHeads, want.NormEps, want.RoPEBase, want.Context, want.ShareEmbedding = 2, 1e-6, 10000, 2048, false
	if got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestReadConfigRejects(t *testing.T) {
	good := map[string]any{
		"model_type": "llama", "vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 2,
		"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 12,
	}
	for _, tt := range []struct {
		key   string
		value any // nil leaves the field out
		want  string
	}{
		{"model_type", "gpt2", `model_type "gpt2" is not supported: only llama, qwen3 and mobilellm are`},
		{"model_type", nil, `model_type "" is not supported`},
		{"vocab_size", nil, "vocab_size is missing"},
		{"hidden_size", "8", "hidden_size is a JSON string where int is expected"},
		{"hidden_size", 9, "model.dim (9) must be divisible by model.heads (2)"},
		{"num_hidden_layers", -1, "num_hidden_layers (-1) must be positive"},
		{"num_key_value_heads", 3, "model.heads (2) must be divisible by model.kv_heads (3)"},
		{"hidden_act", "cube", `hidden_act ("cube") is not supported for model_type llama`},
		{"hidden_act", "relu", `hidden_act ("relu") is not supported for model_type llama`},
		{"ffn", "relu6", "relu6"},
		{"qk_norm", true, "qk_norm (true) is not LLaMA's"},
		{"use_sliding_window", true, "use_sliding_window (true) is not supported"},
		{"attention_bias", true, "attention_bias (true) is not supported"},
		{"mlp_bias", true, "mlp_bias (true) is not supported"},
		{"rope_scaling", map[string]any{"type": "yarn", "factor": 2}, `rope_scaling: rope scaling "yarn" is not supported: only linear, dynamic and llama3 are`},
		{"rope_parameters", map[string]any{"rope_type": "llama3", "factor": 8, "high_freq_factor": 4}, `rope_parameters: low_freq_factor is missing, which llama3 needs`},
		{"rope_scaling", map[string]any{"rope_type": "default", "partial_rotary_factor": 0.5}, "partial_rotary_factor (0.5) is not supported"},
		{"partial_rotary_factor", 0.25, "partial_rotary_factor (0.25) is not supported"},
		{"rope_parameters", map[string]any{"full_attention": map[string]any{"rope_theta": 1e6, "rope_type": "default"}}, "rope_parameters: full_attention: parameters of one kind of layer are not supported"},
		{"rope_scaling", map[string]any{"rope_theta": "1e6"}, "rope_scaling: rope_theta is a JSON string where float64 is expected"},
		{"rope_scaling", 2, "rope_scaling: an object is expected"},
		{"rope_theta", []int{10000, 500000}, "rope_theta is a list: one for each layer is not supported"},
		{"intermediate_size", []int{12, 24}, "intermediate_size is a list: one for each layer is not supported"},
		{"num_key_value_heads", []int{1, 2}, "num_key_value_heads is a list: one for each layer is not supported"},
		{"layer_types", []string{"full_attention", "sliding_attention"}, `layer_types: "sliding_attention" (layer 1) is not supported: only full_attention is`},
		{"per_layer_config", map[string]any{"1": map[string]any{"intermediate_size": 24}}, "per_layer_config: layers of different shapes are not supported"},
		{"quantization_config", map[string]any{"bits": 4}, `quantization_config: quant_method ("") is not supported: only "compressed-tensors" is`},
		{"layer_sharing", map[string]any{"strategy": "twice"}, "twice"},
		{"layer_sharing", map[string]any{"strategy": "immediate", "repeat": 1}, "model.layer_sharing.repeat (1) must be 2 or more"},
		{"layer_sharing", map[string]any{"strategy": "immediate", "times": 2}, `unknown field "times"`},
		{"eos_token_id", "two", `eos_token_id ("two") is no token id`},
	} {
		fields := map[string]any{}
		for key, value := range good {
			fields[key] = value
		}
		fields[tt.key] = tt.value
		if tt.value == nil {
			delete(fields, tt.key)
		}
		raw, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		put(t, dir, ConfigFile, string(raw))
		path := filepath.Join(dir, ConfigFile)
		if _, _, err := ReadConfig(path); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s %v: got %v, want %s", tt.key, tt.value, err, tt.want)
		}
	}
	if _, err := MarshalConfig(arch.Config{}, Meta{Tokens: NoTokens()}); err == nil {
		t.Error("a config of nothing was written")
	}
}

// The config.json of the published models, as testdata/official.py has it.
func TestOfficialConfigs(t *testing.T) {
	for _, tt := range []struct {
		name                               string
		layers, dim, heads, kvHeads, width int
	}{
		{"125M", 30, 576, 9, 3, 1536},
		{"350M", 32, 960, 15, 5, 2560},
		{"600M", 40, 1152, 18, 6, 3072},
		{"1B", 54, 1280, 20, 5, 3584},
		{"1.5B", 54, 1600, 25, 5, 4352},
	} {
		got, meta, err := ReadConfig(filepath.Join("testdata", "official", tt.name+".config.json"))
		if err != nil {
			t.Error(err)
			continue
		}
		want := arch.Default()
		want.Layers, want.Dim, want.Heads, want.KVHeads, want.FFNDim = tt.layers, tt.dim, tt.heads, tt.kvHeads, tt.width
		want.ShareEmbedding = false // their code ties by a flag of its own
		if got != want.Resolved() {
			t.Errorf("%s is\n%+v, want\n%+v", tt.name, got, want.Resolved())
		}
		if !reflect.DeepEqual(meta, Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}, DType: safetensors.F16}) {
			t.Errorf("%s: %+v", tt.name, meta)
		}
	}
}

// A kind that has no place in config.json is an error, and not written as another.
func TestMarshalUnknownKinds(t *testing.T) {
	for want, edit := range map[string]func(c *arch.Config){
		"model.ffn (cube)":                     func(c *arch.Config) { c.FFN = "cube" },
		"model.layer_sharing.strategy (twice)": func(c *arch.Config) { c.LayerSharing.Strategy = "twice" },
		"model.rope_scaling.type (yarn)":       func(c *arch.Config) { c.RoPEScaling.Type = "yarn" },
	} {
		c := arch.Default()
		edit(&c)
		if _, err := MarshalConfig(c, Meta{Tokens: NoTokens()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if s, err := marshalScaling(arch.RoPEScaling{Type: "yarn", Factor: 2}); err == nil || err.Error() != `rope scaling "yarn" has no place in config.json` {
		t.Errorf("scaling by a new rule is %+v, %v", s, err)
	}
}

// An id that the model has no row for, as a padding token's which was added to the
// tokenizer alone, is none of the model's.
func TestTokensBeyondModel(t *testing.T) {
	raw, err := MarshalConfig(arch.Default(), Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2, 7}, PAD: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	size := arch.Default().VocabSize
	fields["pad_token_id"], fields["eos_token_id"] = size, []int{size + 5, 7}
	if raw, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	_, meta, err := parseConfig(raw)
	if want := (tokenizer.ModelTokens{BOS: 1, EOS: []int32{7}, PAD: tokenizer.None}); err != nil || !reflect.DeepEqual(meta.Tokens, want) {
		t.Errorf("%+v, %v, want %+v", meta.Tokens, err, want)
	}
}

// Every kind of feed-forward network that a model may have comes back.
func TestEveryFFNComesBack(t *testing.T) {
	for _, f := range arch.FFNs() {
		c := arch.Default()
		c.FFN = f
		raw, err := MarshalConfig(c, Meta{Tokens: NoTokens()})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := parseConfig(raw); err != nil || got.FFN != f {
			t.Errorf("%s comes back as %q, %v", f, got.FFN, err)
		}
	}
}
