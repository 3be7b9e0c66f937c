package arch

import (
	"math"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestResolved(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Config)
		want func(*Config)
	}{
		{"default", func(*Config) {}, func(c *Config) { c.HeadDim, c.FFNDim = 64, 1536 }},
		{"relu", func(c *Config) { c.FFN = ReLU }, func(c *Config) { c.HeadDim, c.FFNDim = 64, 2304 }},
		{"all heads", func(c *Config) { c.KVHeads = 0 }, func(c *Config) { c.KVHeads, c.HeadDim, c.FFNDim = 9, 64, 1536 }},
		{"given", func(c *Config) { c.HeadDim, c.FFNDim = 48, 1000 }, func(*Config) {}},
		{
			"names left out",
			func(c *Config) { c.FFN, c.LayerSharing.Strategy = "", "" },
			func(c *Config) { c.FFN, c.LayerSharing.Strategy, c.HeadDim, c.FFNDim = SwiGLU, NoSharing, 64, 1536 },
		},
	}
	for _, test := range tests {
		c := Default()
		test.edit(&c)
		want := c
		test.want(&want)
		got := c.Resolved()
		if got != want {
			t.Errorf("%s: resolved to %+v, want %+v", test.name, got, want)
		}
		if got.Resolved() != got {
			t.Errorf("%s: resolving twice changes the config", test.name)
		}
	}
}

func TestFFNWidth(t *testing.T) {
	tests := []struct {
		ffn       FFN
		dim, want int
	}{
		{SwiGLU, 96, 256},
		{SwiGLU, 97, 512},
		{SwiGLU, 384, 1024},
		{SwiGLU, 512, 1536},
		{SwiGLU, 768, 2048},
		{ReLU, 768, 3072},
		{ReLU, 1, 4},
	}
	for _, test := range tests {
		if got := test.ffn.Width(test.dim); got != test.want {
			t.Errorf("%s width for dim %d is %d, want %d", test.ffn, test.dim, got, test.want)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		edit func(*Config)
		want string // empty: valid; one line an error
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Dim = 577 }, "model.dim (577) must be divisible by model.heads (9)"},
		{func(c *Config) { c.Dim = 9 * 63 }, "model.dim (567) divided by model.heads (9) must be even, as rotary position embeddings need pairs; it is 63"},
		{func(c *Config) { c.Dim, c.HeadDim = 577, 64 }, ""}, // an explicit head size frees dim
		{func(c *Config) { c.HeadDim = 63 }, "model.head_dim (63) must be even, as rotary position embeddings need pairs"},
		{func(c *Config) { c.HeadDim = -2 }, "model.head_dim (-2) must be positive"},
		{func(c *Config) { c.KVHeads = 4 }, "model.heads (9) must be divisible by model.kv_heads (4)"},
		{func(c *Config) { c.KVHeads = 18 }, "model.heads (9) must be divisible by model.kv_heads (18)"},
		{func(c *Config) { c.KVHeads = -3 }, "model.kv_heads (-3) must be positive"},
		{func(c *Config) { c.VocabSize = 0 }, "model.vocab_size (0) must be positive"},
		{func(c *Config) { c.VocabSize = 1 << 40 }, "model.vocab_size (1099511627776) must be at most 16777216"},
		{func(c *Config) { c.Layers = -1 }, "model.layers (-1) must be positive"},
		{func(c *Config) { c.Context = 0 }, "model.context (0) must be positive"},
		{func(c *Config) { c.FFN = "cube" }, "model.ffn (cube) must be " + SwiGLU.Choices()},
		{func(c *Config) { c.FFNDim = -1 }, "model.ffn_dim (-1) must be positive"},
		{func(c *Config) { c.NormEps = 0 }, "model.norm_eps (0) must be a positive number"},
		{func(c *Config) { c.RoPEBase = math.NaN() }, "model.rope_base (NaN) must be a positive number"},
		{func(c *Config) { c.InitStd = math.Inf(1) }, "model.init_std (+Inf) must be a positive number"},
		{func(c *Config) { c.LayerSharing.Repeat = 0 }, ""}, // unused without sharing
		{func(c *Config) { c.LayerSharing = LayerSharing{Immediate, 1} }, "model.layer_sharing.repeat (1) must be 2 or more where the strategy is immediate"},
		{func(c *Config) { c.LayerSharing = LayerSharing{Reverse, 3} }, ""},
		{func(c *Config) { c.LayerSharing = LayerSharing{Reverse, math.MaxInt} }, "model.layer_sharing.repeat (9223372036854775807) times model.layers (30) must be at most 16384"},
		{func(c *Config) { c.LayerSharing.Strategy = "twice" }, "model.layer_sharing.strategy (twice) must be none, immediate, repeat_all_over or reverse"},
		{
			func(c *Config) { c.Heads, c.Context, c.Dim = 0, -1, -1 },
			"model.dim (-1) must be positive\nmodel.heads (0) must be positive\nmodel.context (-1) must be positive",
		},
		{func(c *Config) { c.Dim = math.MaxInt }, "model.dim (9223372036854775807) must be at most 1048576\nmodel.dim (9223372036854775807) must be divisible by model.heads (9)"},
	}
	for i, test := range tests {
		c := Default()
		test.edit(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("case %d: error is\n%s\nwant\n%s", i, got, test.want)
		}
	}
}

func TestNamesFromYAML(t *testing.T) {
	var good struct {
		Model Config
	}
	text := "model: {ffn: relu, layer_sharing: {strategy: repeat_all_over, repeat: 3}}"
	if err := yaml.Unmarshal([]byte(text), &good); err != nil {
		t.Fatal(err)
	}
	if got := good.Model; got.FFN != ReLU || got.LayerSharing != (LayerSharing{RepeatAllOver, 3}) {
		t.Errorf("read %+v", got)
	}

	tests := []struct{ text, want string }{
		{"model: {ffn: cube}", `unknown ffn "cube": choose swiglu`},
		{"model: {ffn: SwiGLU}", `unknown ffn "SwiGLU": choose swiglu`},
		{"model: {ffn: [relu]}", `ffn must be a name: choose swiglu`},
		{"model: {layer_sharing: {strategy: all}}", `unknown layer sharing strategy "all": choose none, immediate, repeat_all_over or reverse`},
		{"model: {layer_sharing: {strategy: {}}}", `layer sharing strategy must be a name: choose none, immediate, repeat_all_over or reverse`},
	}
	for _, test := range tests {
		var into struct{ Model Config }
		err := yaml.Unmarshal([]byte(test.text), &into)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %s", test.text, err, test.want)
		}
	}
}
