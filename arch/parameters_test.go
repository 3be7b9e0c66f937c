package arch

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestParametersMatchTransformers compares names and shapes with LlamaForCausalLM
// of Hugging Face's transformers (testdata/parameters.py).
func TestParametersMatchTransformers(t *testing.T) {
	text, err := os.ReadFile("testdata/parameters.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name   string
		Config struct {
			Layers  int  `json:"num_hidden_layers"`
			Dim     int  `json:"hidden_size"`
			Heads   int  `json:"num_attention_heads"`
			KVHeads int  `json:"num_key_value_heads"`
			HeadDim int  `json:"head_dim"`
			FFNDim  int  `json:"intermediate_size"`
			Vocab   int  `json:"vocab_size"`
			Tied    bool `json:"tie_word_embeddings"`
		}
		Parameters map[string][]int
		Count      int64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("testdata/parameters.json holds no case")
	}
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			c := Default()
			c.Layers, c.Dim, c.Heads, c.KVHeads = test.Config.Layers, test.Config.Dim, test.Config.Heads, test.Config.KVHeads
			c.HeadDim, c.FFNDim, c.VocabSize = test.Config.HeadDim, test.Config.FFNDim, test.Config.Vocab
			c.ShareEmbedding = test.Config.Tied
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			got := c.Parameters()
			for _, p := range got {
				if want, ok := test.Parameters[p.Name]; !ok {
					t.Errorf("%s is not in transformers' model", p.Name)
				} else if !slices.Equal(p.Shape, want) {
					t.Errorf("%s has shape %v, want %v", p.Name, p.Shape, want)
				}
			}
			if len(got) != len(test.Parameters) {
				t.Errorf("%d parameters, want %d", len(got), len(test.Parameters))
			}
			if c.ParameterCount() != test.Count {
				t.Errorf("%d values, want %d", c.ParameterCount(), test.Count)
			}
		})
	}
}

func TestParametersOrder(t *testing.T) {
	c := Default()
	c.Layers, c.ShareEmbedding, c.FFN = 2, false, ReLU
	layer := []string{
		"input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
		"post_attention_layernorm", "mlp.up_proj", "mlp.down_proj",
	}
	want := []string{EmbeddingName}
	for _, number := range []string{"0", "1"} {
		for _, part := range layer {
			want = append(want, "model.layers."+number+"."+part+".weight")
		}
	}
	want = append(want, NormName, HeadName)

	var got []string
	for _, p := range c.Parameters() {
		got = append(got, p.Name)
		if norm := strings.Contains(p.Name, "norm"); p.Norm != norm {
			t.Errorf("%s: Norm is %v", p.Name, p.Norm)
		}
		inLayer := strings.HasPrefix(p.Name, "model.layers.")
		if inLayer != (p.Layer >= 0) || inLayer && LayerParameterName(layer[(len(got)-2)%len(layer)], p.Layer) != p.Name {
			t.Errorf("%s: Layer is %d", p.Name, p.Layer)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("parameters are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A shared layer is stored once, however often it runs.
func TestSharingAddsNoParameters(t *testing.T) {
	once, twice := Default(), Default()
	twice.LayerSharing.Strategy = Immediate
	if once.ParameterCount() != twice.ParameterCount() {
		t.Errorf("%d parameters with shared layers, %d without", twice.ParameterCount(), once.ParameterCount())
	}
}
