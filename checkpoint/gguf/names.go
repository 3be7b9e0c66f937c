package gguf

import (
	"fmt"
	"strings"

	"mobilellm/arch"
)

// partNames are the parts of a layer, by Hugging Face's name and llama.cpp's.
var partNames = []struct{ hf, gguf string }{
	{"input_layernorm", "attn_norm"},
	{"self_attn.q_proj", "attn_q"},
	{"self_attn.k_proj", "attn_k"},
	{"self_attn.v_proj", "attn_v"},
	{"self_attn.o_proj", "attn_output"},
	{"self_attn.q_norm", "attn_q_norm"},
	{"self_attn.k_norm", "attn_k_norm"},
	{"post_attention_layernorm", "ffn_norm"},
	{"mlp.gate_proj", "ffn_gate"},
	{"mlp.up_proj", "ffn_up"},
	{"mlp.down_proj", "ffn_down"},
}

// ropeFactors is the tensor by which llama.cpp divides RoPE's frequencies.
const ropeFactors = "rope_freqs.weight"

// tensorName is llama.cpp's name of a parameter.
func tensorName(p arch.Parameter) string {
	switch p.Name {
	case arch.EmbeddingName:
		return "token_embd.weight"
	case arch.NormName:
		return "output_norm.weight"
	case arch.HeadName:
		return "output.weight"
	}
	for _, part := range partNames {
		if p.Name == arch.LayerParameterName(part.hf, p.Layer) {
			return fmt.Sprintf("blk.%d.%s.weight", p.Layer, part.gguf)
		}
	}
	panic("gguf: parameter " + p.Name + " has no name")
}

// rotatedHeads is how many heads of a parameter's rows llama.cpp rotates with their
// neighbours: those of queries and keys of llama, and none of qwen3, whose rows lie as
// Hugging Face's.
func rotatedHeads(c arch.Config, p arch.Parameter) int {
	switch {
	case c.QKNorm:
		return 0
	case strings.HasSuffix(p.Name, ".q_proj.weight"):
		return c.Heads
	case strings.HasSuffix(p.Name, ".k_proj.weight"):
		return c.KVHeads
	}
	return 0
}
