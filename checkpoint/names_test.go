package checkpoint

import (
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
)

func TestOwnNames(t *testing.T) {
	const q = "layers.1.self_attn.q_proj.weight"
	for _, tt := range []struct {
		name string
		in   []string
		want []string // as in, where empty
	}{
		{"its own", []string{"model.embed_tokens.weight", "model." + q, "lm_head.weight", "model.norm.weight"}, nil},
		{"the base model", []string{"embed_tokens.weight", q, "norm.weight"}, []string{"model.embed_tokens.weight", "model." + q, "model.norm.weight"}},
		{"the base model with a head", []string{"embed_tokens.weight", "lm_head.weight", q}, []string{"model.embed_tokens.weight", "lm_head.weight", "model." + q}},
		{"compiled twice", []string{"_orig_mod._orig_mod.model.embed_tokens.weight", "_orig_mod._orig_mod.lm_head.weight"}, []string{"model.embed_tokens.weight", "lm_head.weight"}},
		{"parallel within compiled", []string{"_orig_mod.module.model.embed_tokens.weight", "_orig_mod.module.lm_head.weight"}, []string{"model.embed_tokens.weight", "lm_head.weight"}},
		{"compiled within parallel", []string{"module._orig_mod.embed_tokens.weight", "module._orig_mod." + q}, []string{"model.embed_tokens.weight", "model." + q}},
		{
			"sharded and checkpointed layers",
			[]string{"_fsdp_wrapped_module.model.embed_tokens.weight", "_fsdp_wrapped_module.model.layers.1._fsdp_wrapped_module._checkpoint_wrapped_module.self_attn.q_proj.weight"},
			[]string{"model.embed_tokens.weight", "model." + q},
		},
		{"an adapter's base", []string{"base_model.model.model.embed_tokens.weight", "base_model.model.lm_head.weight", "base_model.model.model." + q}, []string{"model.embed_tokens.weight", "lm_head.weight", "model." + q}},
		{"extra tensors", []string{"embed_tokens.weight", "layers.0.self_attn.rotary_emb.inv_freq", "score.weight", "n_averaged"}, []string{"model.embed_tokens.weight", "model.layers.0.self_attn.rotary_emb.inv_freq", "score.weight", "n_averaged"}},
		{"part of a word", []string{"model.embed_tokens.weight", "my_embed_tokens.weight", "model.layers_of.0"}, nil},
		{"no embedding", []string{"layers.0.attention.wq.weight", "_orig_mod.x"}, nil},
	} {
		own, err := ownNames(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := tt.want
		if want == nil {
			want = tt.in
		}
		for i, name := range tt.in {
			got := name
			if to, ok := own[name]; ok {
				got = to
			}
			if got != want[i] {
				t.Errorf("%s: %s is %s, want %s", tt.name, name, got, want[i])
			}
		}
	}
	for _, tt := range []struct {
		in   []string
		want string
	}{
		{[]string{"model.embed_tokens.weight", "ema.model.embed_tokens.weight"}, "tensors model.embed_tokens.weight and ema.model.embed_tokens.weight are of two models"},
		{[]string{"model.embed_tokens.weight", "_orig_mod.model.embed_tokens.weight"}, "tensors model.embed_tokens.weight and _orig_mod.model.embed_tokens.weight are both model.embed_tokens.weight"},
		{[]string{"embed_tokens.weight", "norm.weight", "_orig_mod.norm.weight"}, "tensors norm.weight and _orig_mod.norm.weight are both model.norm.weight"},
		{[]string{"module.model.embed_tokens.weight", "module.lm_head.weight", "lm_head.weight"}, "tensors module.lm_head.weight and lm_head.weight are both lm_head.weight"},
	} {
		if own, err := ownNames(tt.in); errorText(err) != tt.want {
			t.Errorf("%q: %v %v, want %s", tt.in, own, err, tt.want)
		}
	}
}

// called gives each weight another name.
func called(weights []safetensors.Tensor, name func(string) string) []safetensors.Tensor {
	for i := range weights {
		weights[i].Name = name(weights[i].Name)
	}
	return weights
}

// What a wrapped folder has too much or too little is told as of any other.
func TestWrappedFolders(t *testing.T) {
	tied, untied := tiny(), tiny()
	untied.ShareEmbedding = false
	base := func(name string) string { return strings.TrimPrefix(name, "model.") }
	parallel := func(name string) string { return "module." + name }
	head := func(values []float32) safetensors.Tensor {
		return safetensors.Tensor{Name: arch.HeadName, DType: safetensors.F32, Shape: []int{16, 8}, Data: values}
	}
	for _, tt := range []struct {
		name    string
		config  arch.Config
		weights []safetensors.Tensor
		want    string
	}{
		{"a tied head again", tied, called(append(weightsOf(tied, safetensors.F32), head(fill(arch.EmbeddingName, 16*8))), parallel), ""},
		{"another head", tied, called(append(weightsOf(tied, safetensors.F32), head(make([]float32, 16*8))), parallel), "lm_head.weight differs from model.embed_tokens.weight"},
		{"no head", untied, called(weightsOf(tied, safetensors.F32), base), "tensor lm_head.weight is missing; shape [16 8] is expected\nhint: the model was saved without its head; if that is the embedding, config.json must say \"tie_word_embeddings\": true"},
		{"another shape", tied, called(weightsOf(func() arch.Config { c := tied; c.FFNDim = 16; return c }(), safetensors.F32), parallel), "tensor model.layers.0.mlp.gate_proj.weight has shape [16 8]; [12 8] is expected"},
		{"names of another program", tied, called(weightsOf(tied, safetensors.F32), func(name string) string { return "gpt." + strings.ReplaceAll(name, "embed_tokens", "wte") }), "is missing; shape [16 8] is expected (and 39 more differences)\nhint: tensors need Hugging Face's names for LLaMA, such as model.layers.0.self_attn.q_proj.weight"},
		{"two models", tied, append(weightsOf(tied, safetensors.F32), called(weightsOf(tied, safetensors.F32), func(name string) string { return "ema." + name })...), "model.safetensors: tensors model.embed_tokens.weight and ema.model.embed_tokens.weight are of two models"},
	} {
		dir := writeModel(t, tt.config, tt.weights)
		m, err := Open(dir)
		if err == nil {
			err = m.Load(emptied(weightsOf(tt.config, safetensors.F32)))
			m.Close()
		}
		if tt.want == "" && err != nil || !strings.Contains(errorText(err), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
