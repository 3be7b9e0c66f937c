package arch

import "fmt"

// Parameter is one weight tensor of a model.
type Parameter struct {
	// Name is Hugging Face's name for it in a LLaMA checkpoint.
	Name string
	// Shape is (out, in) for a matrix, (V, C) for the embedding and the head,
	// (C) for a norm, (D) for one of heads, and (out) for what the rows of a matrix learn.
	Shape []int
	// Layer is the weight layer it belongs to, -1 outside the layers.
	Layer int
	// Norm marks the gains of RMSNorm: they start at 1 and are not decayed.
	Norm bool
	// Of names the matrix whose rows' learned step or clip this is: it starts from the
	// matrix and is not decayed.
	Of string
	// Adapter says which factor of an adapter this is, none for the model's own.
	Adapter Adapter
}

// Decays reports whether weight decay is meant for p: for matrices.
func (p Parameter) Decays() bool { return !p.Norm && p.Of == "" }

// Hidden is the shape of a matrix of a layer, zero for all else: embeddings, head, norms
// and what rows learn.
func (p Parameter) Hidden() (shape [2]int) {
	if p.Layer >= 0 && len(p.Shape) == 2 {
		shape = [2]int{p.Shape[0], p.Shape[1]}
	}
	return shape
}

// In is the name of the same parameter in another layer.
func (p Parameter) In(layer int) string {
	prefix := fmt.Sprintf("model.layers.%d.", p.Layer)
	return fmt.Sprintf("model.layers.%d.", layer) + p.Name[len(prefix):]
}

// Size is the number of values in p.
func (p Parameter) Size() int64 {
	n := int64(1)
	for _, d := range p.Shape {
		n *= int64(d)
	}
	return n
}

// Names of the parameters outside the layers.
const (
	EmbeddingName = "model.embed_tokens.weight"
	NormName      = "model.norm.weight"
	HeadName      = "lm_head.weight" // only where the embedding is not shared
)

// LayerParameterName is the name of a parameter of a weight layer, for instance
// ("self_attn.q_proj", 3) → "model.layers.3.self_attn.q_proj.weight".
func LayerParameterName(part string, layer int) string {
	return fmt.Sprintf("model.layers.%d.%s.weight", layer, part)
}

// HeadParameter is the name of the output matrix [V,C]: the embedding itself where
// it is shared (paper, section 2.2.3).
func (c Config) HeadParameter() string {
	if c.ShareEmbedding {
		return EmbeddingName
	}
	return HeadName
}

// Parameters lists the model's weights in the order of its checkpoint. A shared
// layer or embedding appears once. c must be valid; an unknown FFN panics.
func (c Config) Parameters() []Parameter {
	c = c.Resolved()
	list := make([]Parameter, 0, 3+11*c.Layers)
	list = append(list, Parameter{Name: EmbeddingName, Shape: []int{c.VocabSize, c.Dim}, Layer: -1})
	for layer := range c.Layers {
		list = c.appendLayer(list, layer)
	}
	list = append(list, Parameter{Name: NormName, Shape: []int{c.Dim}, Layer: -1, Norm: true})
	if !c.ShareEmbedding {
		list = append(list, Parameter{Name: HeadName, Shape: []int{c.VocabSize, c.Dim}, Layer: -1})
	}
	return list
}

func (c Config) appendLayer(list []Parameter, layer int) []Parameter {
	query, keyValue := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	norm := func(part string, size int) {
		list = append(list, Parameter{Name: LayerParameterName(part, layer), Shape: []int{size}, Layer: layer, Norm: true})
	}
	matrix := func(part string, out, in int) {
		name := LayerParameterName(part, layer)
		list = append(list, Parameter{Name: name, Shape: []int{out, in}, Layer: layer})
		if c.Quantize.learns() {
			list = append(list, Parameter{Name: clipName(name), Shape: []int{out}, Layer: layer, Of: name})
		}
	}
	norm("input_layernorm", c.Dim)
	matrix("self_attn.q_proj", query, c.Dim)
	matrix("self_attn.k_proj", keyValue, c.Dim)
	matrix("self_attn.v_proj", keyValue, c.Dim)
	matrix("self_attn.o_proj", c.Dim, query)
	if c.QKNorm { // behind the matrices: q, k and v are one matmul's
		norm("self_attn.q_norm", c.HeadDim)
		norm("self_attn.k_norm", c.HeadDim)
	}
	norm("post_attention_layernorm", c.Dim)
	if c.FFN.kind().gated {
		matrix("mlp.gate_proj", c.FFNDim, c.Dim)
	}
	matrix("mlp.up_proj", c.FFNDim, c.Dim)
	matrix("mlp.down_proj", c.Dim, c.FFNDim)
	return list
}
