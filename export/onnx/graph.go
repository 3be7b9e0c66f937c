package onnx

import (
	"fmt"
	"math"

	"mobilellm/arch"
	"mobilellm/export"
)

// The names of the free dimensions.
const (
	dimBatch = "batch_size"
	dimSeq   = "sequence_length"
	dimPast  = "past_sequence_length"
	dimTotal = "past_sequence_length + sequence_length"
)

// masked is added to the score of what may not be seen: finite, so that a row of
// padding that sees nothing stays a number.
const masked = -math.MaxFloat32 / 2

// feedForward adds the feed-forward network of a block, whose parts name names, to
// what its norm gives.
type feedForward func(d *decoder, n string, name func(part string) string) string

// feedForwards are those that there are operators for.
var feedForwards = map[arch.FFN]feedForward{arch.SwiGLU: (*decoder).swiglu, arch.ReLU: (*decoder).relu}

// feedForwardOf is the network of a kind.
func feedForwardOf(f arch.FFN) (feedForward, error) {
	if feedForwards[f] == nil {
		return nil, fmt.Errorf("onnx: no operators are known for a feed-forward network of %s", f)
	}
	return feedForwards[f], nil
}

// decoder builds the graph of a model.
type decoder struct {
	builder
	model  *export.Model
	ffn    feedForward
	typ    Type
	stored map[string]dataType // of each weight
	shapes map[string][]int
	cast   map[string]string
	tokens map[string][2]string // of activations: integers and what scales them

	shape    string // of a batch: [B,T]
	batch    string // [B]
	seq      string // [T]
	mask     string // [B,1,1,T,S]: 0 or masked
	cos, sin string // [B,1,T,D/2]
}

// build builds the whole graph: embedding, blocks by the schedule, final norm and
// head.
func build(m *export.Model, ffn feedForward, t Type) *builder {
	d := &decoder{
		model: m, ffn: ffn, typ: t, stored: map[string]dataType{}, shapes: map[string][]int{}, cast: map[string]string{}, tokens: map[string][2]string{},
		builder: builder{constants: map[string]bool{}},
	}
	c := m.Config
	for _, p := range c.Parameters() {
		d.store(p)
	}
	d.input("input_ids", int64Type, free(dimBatch), free(dimSeq))
	d.input("attention_mask", int64Type, free(dimBatch), free(dimTotal))
	d.input("position_ids", int64Type, free(dimBatch), free(dimSeq))
	d.output("logits", float32Type, free(dimBatch), free(dimSeq), fixed(c.VocabSize))

	d.prepare()
	x := d.op("Gather", []string{d.param(arch.EmbeddingName), d.reshape("input_ids", -1)}) // [N,C]
	for position, layer := range c.Schedule().All() {
		x = d.block(x, position, layer)
	}
	x = d.norm(x, arch.NormName)
	head := arch.HeadName
	if c.ShareEmbedding {
		head = arch.EmbeddingName
	}
	logits := d.linear(x, head) // [N,V]
	d.opTo([]string{"logits"}, "Reshape", []string{logits, d.join(d.batch, d.seq, d.ints(int64(c.VocabSize)))})
	return &d.builder
}

// prepare computes what all blocks share: sizes, the rows of the rotary tables
// and the mask.
func (d *decoder) prepare() {
	c := d.model.Config
	d.shape = d.op("Shape", []string{"input_ids"})
	d.batch = d.op("Slice", []string{d.shape, d.ints(0), d.ints(1)})
	d.seq = d.op("Slice", []string{d.shape, d.ints(1), d.ints(2)})

	cos, sin := c.RoPE().Table(c.Context, c.HeadDim)
	for _, t := range []struct {
		name   string
		values []float64
	}{{"rope.cos", cos}, {"rope.sin", sin}} { // in this order: an export's bytes do not depend on chance
		x := make([]float32, len(t.values))
		for i := range x {
			x[i] = float32(t.values[i])
		}
		d.floats(t.name, float32Type, []int{c.Context, c.HeadDim / 2}, x)
	}
	rows := func(table string) string {
		return d.op("Unsqueeze", []string{d.op("Gather", []string{table, "position_ids"}), d.ints(1)})
	}
	d.cos, d.sin = rows("rope.cos"), rows("rope.sin")

	// A token sees those up to its own place in the cache that are not padding.
	all := d.op("Shape", []string{"attention_mask"})
	total := d.op("Squeeze", []string{d.op("Slice", []string{all, d.ints(1), d.ints(2)})}) // S = P+T
	past := d.op("Sub", []string{total, d.op("Squeeze", []string{d.seq})})                 // P
	keys := d.op("Range", []string{d.integer(0), total, d.integer(1)})                     // [S]
	queries := d.op("Range", []string{past, total, d.integer(1)})                          // [T]
	later := d.op("Greater", []string{keys, d.op("Unsqueeze", []string{queries, d.ints(1)})})
	padding := d.op("Equal", []string{"attention_mask", d.integer(0)}) // [B,S]
	padding = d.op("Unsqueeze", []string{padding, d.ints(1)})          // [B,1,S]
	hidden := d.op("Or", []string{padding, later})                     // [B,T,S]
	hidden = d.op("Unsqueeze", []string{hidden, d.ints(1, 2)})         // [B,1,1,T,S]
	d.mask = d.op("Where", []string{hidden, d.scalar(masked), d.scalar(0)})
}

// block is one layer: h = x + attention(norm(x)), then h + ffn(norm(h)).
func (d *decoder) block(x string, position, layer int) string {
	name := func(part string) string { return arch.LayerParameterName(part, layer) }
	h := d.op("Add", []string{x, d.attention(d.norm(x, name("input_layernorm")), position, name)})
	return d.op("Add", []string{h, d.ffn(d, d.norm(h, name("post_attention_layernorm")), name)})
}

// attention is causal attention over the cache and the new tokens. The heads that
// share a key head are a dimension of their own, so that keys and values are
// broadcast and not copied.
func (d *decoder) attention(n string, position int, name func(string) string) string {
	c := d.model.Config
	k, g, size := int64(c.KVHeads), int64(c.Heads/c.KVHeads), int64(c.HeadDim)
	heads := func(part string, count int64) string { // [B,count,T,D]
		x := d.linear(n, name(part))
		x = d.op("Reshape", []string{x, d.join(d.batch, d.seq, d.ints(count, size))})
		return d.op("Transpose", []string{x}, attribute{"perm", []int64{0, 2, 1, 3}})
	}
	cache := func(kind, fresh string) string { // [B,K,S,D]
		past, present := fmt.Sprintf("past_key_values.%d.%s", position, kind), fmt.Sprintf("present.%d.%s", position, kind)
		d.input(past, float32Type, free(dimBatch), fixed(c.KVHeads), free(dimPast), fixed(c.HeadDim))
		d.output(present, float32Type, free(dimBatch), fixed(c.KVHeads), free(dimTotal), fixed(c.HeadDim))
		d.opTo([]string{present}, "Concat", []string{past, fresh}, attribute{"axis", int64(2)})
		return d.op("Unsqueeze", []string{present, d.ints(2)}) // [B,K,1,S,D]
	}
	normed := func(x, part string) string {
		if !c.QKNorm {
			return x
		}
		return d.norm(x, name(part))
	}
	q := d.rotate(normed(heads("self_attn.q_proj", k*g), "self_attn.q_norm"))
	q = d.op("Reshape", []string{q, d.join(d.batch, d.ints(k, g), d.seq, d.ints(size))}) // [B,K,G,T,D]
	keys := cache("key", d.rotate(normed(heads("self_attn.k_proj", k), "self_attn.k_norm")))
	values := cache("value", heads("self_attn.v_proj", k))

	scores := d.op("MatMul", []string{q, d.op("Transpose", []string{keys}, attribute{"perm", []int64{0, 1, 2, 4, 3}})})
	scores = d.op("Mul", []string{scores, d.scalar(float32(1 / math.Sqrt(float64(size))))})
	scores = d.op("Add", []string{scores, d.mask}) // [B,K,G,T,S]
	shares := d.op("Softmax", []string{scores}, attribute{"axis", int64(-1)})
	out := d.op("MatMul", []string{shares, values})                                    // [B,K,G,T,D]
	out = d.op("Transpose", []string{out}, attribute{"perm", []int64{0, 3, 1, 2, 4}})  // [B,T,K,G,D]
	return d.linear(d.reshape(out, -1, int64(c.Heads)*size), name("self_attn.o_proj")) // [N,C]
}

// rotate is RoPE on [B,heads,T,D]: element i turns with element i+D/2.
func (d *decoder) rotate(x string) string {
	half := int64(d.model.Config.HeadDim / 2)
	a := d.op("Slice", []string{x, d.ints(0), d.ints(half), d.ints(3)})
	b := d.op("Slice", []string{x, d.ints(half), d.ints(2 * half), d.ints(3)})
	mul := func(x, y string) string { return d.op("Mul", []string{x, y}) }
	first := d.op("Sub", []string{mul(a, d.cos), mul(b, d.sin)})
	second := d.op("Add", []string{mul(b, d.cos), mul(a, d.sin)})
	return d.op("Concat", []string{first, second}, attribute{"axis", int64(3)})
}

func (d *decoder) swiglu(n string, name func(string) string) string {
	up := d.linear(n, name("mlp.up_proj"))
	gate := d.linear(n, name("mlp.gate_proj"))
	gate = d.op("Mul", []string{gate, d.op("Sigmoid", []string{gate})})
	return d.linear(d.op("Mul", []string{gate, up}), name("mlp.down_proj"))
}

func (d *decoder) relu(n string, name func(string) string) string {
	up := d.linear(n, name("mlp.up_proj"))
	return d.linear(d.op("Relu", []string{up}), name("mlp.down_proj"))
}

// norm is RMSNorm over the last dimension.
func (d *decoder) norm(x, weight string) string {
	square := d.op("Mul", []string{x, x})
	mean := d.op("ReduceMean", []string{square}, attribute{"axes", []int64{-1}}, attribute{"keepdims", int64(1)})
	mean = d.op("Add", []string{mean, d.scalar(float32(d.model.Config.NormEps))})
	x = d.op("Div", []string{x, d.op("Sqrt", []string{mean})})
	return d.op("Mul", []string{x, d.param(weight)})
}

// linear is x·Wᵀ for x [N,in] and a weight [out,in].
func (d *decoder) linear(x, weight string) string {
	switch {
	case d.stored[weight] != uint8Type:
		return d.op("Gemm", []string{x, d.param(weight)}, attribute{"transB", int64(1)})
	case d.typ == Int8:
		return d.linear8(x, weight)
	}
	return d.linear4(x, weight)
}

// param is a weight as float32.
func (d *decoder) param(name string) string {
	if d.stored[name] == float32Type {
		return name
	}
	if d.cast[name] == "" {
		d.cast[name] = d.op("Cast", []string{name}, attribute{"to", int64(float32Type)})
	}
	return d.cast[name]
}

func (d *decoder) reshape(x string, dims ...int64) string {
	return d.op("Reshape", []string{x, d.ints(dims...)})
}

// join makes one list of sizes.
func (d *decoder) join(parts ...string) string {
	return d.op("Concat", parts, attribute{"axis", int64(0)})
}
