package arch

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine/op"
	"mobilellm/internal/quant"
)

// Graph is a model as a gorgonia graph for a fixed batch of B sequences of T
// tokens. Inputs are laid out sequence after sequence, N = B·T.
type Graph struct {
	*gorgonia.ExprGraph
	Tokens   *gorgonia.Node   // [N] int32
	Starts   *gorgonia.Node   // [N] int32: where each token's document begins in its sequence; nil without DocumentMask
	Targets  *gorgonia.Node   // [N] int32, negative where a token is not supervised; nil without a loss
	Scale    *gorgonia.Node   // scalar that multiplies the summed loss: 1/(supervised tokens); nil without a loss
	Loss     *gorgonia.Node   // scalar, nil without a loss
	Logits   *gorgonia.Node   // [N,V], nil but for BuildLogits and BuildHead
	Hidden   *gorgonia.Node   // [N,C], what the head reads
	ZLoss    *gorgonia.Node   // scalar, the z-loss in Loss; nil without ZLoss
	LogProbs *gorgonia.Node   // [N] float32, each token's log p(target), 0 where it is not supervised; nil without TokenLogProbs
	Teacher  *TeacherInputs   // nil without a teacher
	Cached   *CacheInputs     // nil but for BuildCached
	Read     []*gorgonia.Node // what each matmul of the blocks reads, before it is rounded, [N,·]; nil without WatchActivations
	TopLogP  *gorgonia.Node   // [N,k], nil but for BuildTop
	TopIDs   *gorgonia.Node   // [N,k], the tokens of TopLogP as numbers

	DropoutKey *gorgonia.Node // [op.DropoutKeys] int32, what decides on what is dropped; nil where nothing is

	Params    map[string]*gorgonia.Node // by Hugging Face name
	Gradients map[string]*gorgonia.Node // of those that are trained; empty unless built for training
}

// BuildTraining returns the graph of the loss and of every parameter's gradient.
func (c Config) BuildTraining(batch, seq int, options ...Option) (*Graph, error) {
	training := func(b *builder) { b.training = true }
	b, err := c.build(batch, seq, tensor.Float32, (*builder).loss, append([]Option{training}, options...)...)
	if err != nil {
		return nil, err
	}
	return b.graph, b.differentiate()
}

// BuildScoring returns the graph of the loss alone.
func (c Config) BuildScoring(batch, seq int, options ...Option) (*Graph, error) {
	b, err := c.build(batch, seq, tensor.Float32, (*builder).loss, options...)
	if err != nil {
		return nil, err
	}
	return b.graph, nil
}

// BuildLogits returns the graph of the logits of every token.
func (c Config) BuildLogits(batch, seq int) (*Graph, error) {
	b, err := c.build(batch, seq, tensor.Float32, (*builder).logits)
	if err != nil {
		return nil, err
	}
	return b.graph, nil
}

// BuildHidden returns the graph of what the head reads, for a caller that wants
// the logits of few tokens only, or is a teacher's of another model.
func (c Config) BuildHidden(batch, seq int, options ...Option) (*Graph, error) {
	b, err := c.build(batch, seq, tensor.Float32, func(*builder, *gorgonia.Node) {}, options...)
	if err != nil {
		return nil, err
	}
	return b.graph, nil
}

// BuildTop returns the graph of every token's top-k log-probabilities, which
// are what [DistilTop] learns from.
func (c Config) BuildTop(batch, seq, k int, options ...Option) (*Graph, error) {
	b, err := c.build(batch, seq, tensor.Float32, func(b *builder, x *gorgonia.Node) {
		if b.err == nil {
			b.graph.TopLogP, b.graph.TopIDs, b.err = op.TopLogProbs("head", x, b.head(), k)
		}
	}, options...)
	if err != nil {
		return nil, err
	}
	return b.graph, nil
}

// CacheInputs are what a graph with a KV cache reads besides its tokens.
type CacheInputs struct {
	op.Cache
	Memory    *gorgonia.Node // [Cache.Shape()], keys and values of all tokens so far
	Positions *gorgonia.Node // [N] int32, each token's in its sequence
	Sequences *gorgonia.Node // [N] int32, each token's row of Table; negative for a token that is none
	Table     *gorgonia.Node // [S·Cache.Table()] int32, the blocks of each sequence
}

// Cache is the KV cache of a model for sequences of so many positions, with so many
// blocks of [op.CacheBlock] positions: an entry for each position of the schedule.
func (c Config) Cache(context, blocks int) op.Cache {
	c = c.Resolved()
	return op.Cache{
		Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, RoPE: c.RoPE(),
		Layers: c.Schedule().Len(), Context: context, Blocks: blocks,
	}
}

// BuildCached returns the graph of a step of inference: rows tokens of up to sequences
// sequences, new behind those that are in the cache, up to what the head reads of them.
func (c Config) BuildCached(rows, sequences int, cache op.Cache) (*Graph, error) {
	b, err := c.build(1, rows, tensor.Float32, func(*builder, *gorgonia.Node) {}, func(b *builder) {
		ids := func(name string, n int) *gorgonia.Node {
			return gorgonia.NewVector(b.graph.ExprGraph, tensor.Int32, gorgonia.WithShape(n), gorgonia.WithName(name))
		}
		shape := cache.Shape()
		b.graph.Cached = &CacheInputs{
			Cache: cache, Memory: b.matrix("cache", shape[0], shape[1]),
			Positions: ids("positions", rows), Sequences: ids("sequences", rows),
			Table: ids("table", sequences*cache.Table()),
		}
	})
	if err != nil {
		return nil, err
	}
	return b.graph, nil
}

// BuildHead returns the graph of the logits of rows tokens, of what the head reads:
// Hidden is an input.
func (c Config) BuildHead(rows int) (*Graph, error) {
	b, err := c.newBuilder(1, rows, tensor.Float32)
	if err != nil {
		return nil, err
	}
	b.graph.Hidden = b.matrix("hidden", rows, b.Dim)
	b.logits(b.graph.Hidden)
	if b.err != nil {
		return nil, fmt.Errorf("arch: %w", b.err)
	}
	return b.graph, nil
}

// builder adds nodes to a graph and keeps the first error, so that the model
// below reads like its equations.
type builder struct {
	Config
	batch, seq int
	dtype      tensor.Dtype
	graph      *Graph
	rule       op.Distillation
	logProbs   bool
	z          float64 // coefficient of the z-loss
	watch      bool
	transform  WeightTransform // nil for weights as they are
	order      []string
	training   bool                   // the graph has gradients
	frozen     func(name string) bool // nil for none
	lora       *LoRA                  // nil without adapters
	err        error

	weightRule, activationRule *quant.Rule // nil where they are as they are
}

// newBuilder has a graph of the parameters.
func (c Config) newBuilder(batch, seq int, dtype tensor.Dtype) (*builder, error) {
	c = c.Resolved()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if batch < 1 || seq < 1 {
		return nil, fmt.Errorf("arch: cannot build a graph for %d sequences of %d tokens", batch, seq)
	}
	b := &builder{Config: c, batch: batch, seq: seq, dtype: dtype, graph: &Graph{
		ExprGraph: gorgonia.NewGraph(),
		Params:    map[string]*gorgonia.Node{},
		Gradients: map[string]*gorgonia.Node{},
	}}
	var err error
	if b.weightRule, b.activationRule, err = c.Quantize.rules(); err != nil {
		return nil, err // Validate would have said so
	}
	for _, p := range c.Parameters() {
		b.addParameter(p)
	}
	return b, nil
}

func (b *builder) addParameter(p Parameter) {
	b.graph.Params[p.Name] = gorgonia.NewTensor(b.graph.ExprGraph, b.dtype, len(p.Shape), gorgonia.WithShape(p.Shape...), gorgonia.WithName(p.Name))
	b.order = append(b.order, p.Name)
}

func (c Config) build(batch, seq int, dtype tensor.Dtype, head func(*builder, *gorgonia.Node), options ...Option) (*builder, error) {
	b, err := c.newBuilder(batch, seq, dtype)
	if err != nil {
		return nil, err
	}
	b.graph.Tokens = b.ids("tokens")
	for _, option := range options {
		option(b)
	}
	if b.err != nil {
		return nil, fmt.Errorf("arch: %w", b.err)
	}
	b.graph.Hidden = b.body()
	head(b, b.graph.Hidden)
	if b.err == nil && b.logProbs && b.graph.LogProbs == nil {
		b.err = errors.New("a graph without a loss has no log-probabilities of tokens")
	}
	if b.err != nil {
		return nil, fmt.Errorf("arch: %w", b.err)
	}
	return b, nil
}

// body is the model up to the final norm, [N,C].
func (b *builder) body() *gorgonia.Node {
	x := b.add(op.Embedding("embed", b.param(EmbeddingName), b.graph.Tokens)) // [N,C]
	for position, layer := range b.Schedule().All() {
		x = b.block(x, position, layer)
	}
	return b.norm("norm", x, NormName)
}

// block is one pre-norm transformer layer: h = x + attention(norm(x)), then
// h + ffn(norm(h)). Its place in the graph is its position in the schedule, its
// weights are those of the layer scheduled there.
func (b *builder) block(x *gorgonia.Node, position, layer int) *gorgonia.Node {
	at := func(part string) string { return fmt.Sprintf("%d.%s", position, part) }
	weight := func(part string) *gorgonia.Node { return b.weight(at(part), LayerParameterName(part, layer)) }

	n := b.norm(at("attn.norm"), x, LayerParameterName("input_layernorm", layer))
	qkv := b.add(op.Linear(at("attn.qkv"), b.rounded(at("attn.qkv"), n),
		weight("self_attn.q_proj"), weight("self_attn.k_proj"), weight("self_attn.v_proj"))) // [N,(H+2K)·D]
	qkv = b.adapted(at("attn.qkv"), n, qkv, layer, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
	if b.QKNorm {
		shape := op.QKHeads{Heads: b.Heads, KVHeads: b.KVHeads, HeadDim: b.HeadDim}
		qkv = b.add(op.QKNorm(at("attn.qknorm"), qkv, b.param(LayerParameterName("self_attn.q_norm", layer)), b.param(LayerParameterName("self_attn.k_norm", layer)), shape, b.NormEps))
	}
	a := b.attention(at("attn"), position, qkv)                                                       // [N,H·D]
	o := b.add(op.Linear(at("attn.out"), b.rounded(at("attn.out"), a), weight("self_attn.o_proj")))   // [N,C]
	h := b.adapted(at("attn.out"), a, b.add(op.Add(at("attn.add"), x, o)), layer, "self_attn.o_proj") // [N,C]
	n = b.norm(at("ffn.norm"), h, LayerParameterName("post_attention_layernorm", layer))
	f := b.ffn(at, n, layer, weight)                                                             // [N,F]
	d := b.add(op.Linear(at("ffn.down"), b.rounded(at("ffn.down"), f), weight("mlp.down_proj"))) // [N,C]
	return b.adapted(at("ffn.down"), f, b.add(op.Add(at("ffn.add"), h, d)), layer, "mlp.down_proj")
}

func (b *builder) attention(at string, position int, qkv *gorgonia.Node) *gorgonia.Node {
	if c := b.graph.Cached; c != nil {
		return b.add(op.CachedAttention(at, qkv, c.Memory, c.Positions, c.Sequences, c.Table, position, c.Cache))
	}
	if b.graph.Starts != nil {
		return b.add(op.MaskedAttention(at, qkv, b.graph.Starts, b.heads()))
	}
	return b.add(op.Attention(at, qkv, b.heads()))
}

func (b *builder) ffn(at func(string) string, n *gorgonia.Node, layer int, weight func(string) *gorgonia.Node) *gorgonia.Node {
	k := b.FFN.kind()
	if k.gated {
		gu := b.add(op.Linear(at("ffn.gateup"), b.rounded(at("ffn.gateup"), n), weight("mlp.gate_proj"), weight("mlp.up_proj"))) // [N,2F]
		return b.add(k.activation(at("ffn.act"), b.adapted(at("ffn.gateup"), n, gu, layer, "mlp.gate_proj", "mlp.up_proj")))
	}
	up := b.add(op.Linear(at("ffn.up"), b.rounded(at("ffn.up"), n), weight("mlp.up_proj"))) // [N,F]
	return b.add(k.activation(at("ffn.act"), b.adapted(at("ffn.up"), n, up, layer, "mlp.up_proj")))
}

func (b *builder) heads() op.Heads {
	return op.Heads{
		Batch: b.batch, Seq: b.seq, Heads: b.Heads, KVHeads: b.KVHeads, HeadDim: b.HeadDim,
		RoPE: b.RoPE(),
	}
}

func (b *builder) loss(x *gorgonia.Node) {
	b.graph.Targets = b.ids("targets")
	b.graph.Scale = gorgonia.NewScalar(b.graph.ExprGraph, b.dtype, gorgonia.WithName("scale"))
	t := b.graph.Teacher
	var err error
	switch {
	case b.err != nil:
	case t != nil && b.logProbs:
		err = errors.New("a loss with a teacher has no log-probabilities of tokens")
	case b.z != 0 && t != nil:
		err = errors.New("a loss with a teacher has no z-loss")
	case b.z != 0:
		b.graph.Loss, b.graph.ZLoss, err = op.HeadZLoss("head", x, b.head(), b.graph.Targets, b.graph.Scale, b.z)
		if err == nil && b.logProbs {
			b.graph.LogProbs, err = op.LogProbs(b.graph.Loss)
		}
	case b.logProbs:
		b.graph.Loss, b.graph.LogProbs, err = op.HeadLossLogProbs("head", x, b.head(), b.graph.Targets, b.graph.Scale)
	case t == nil:
		b.graph.Loss, err = op.HeadLoss("head", x, b.head(), b.graph.Targets, b.graph.Scale)
	case t.Hidden != nil:
		b.graph.Loss, t.Label, err = op.DistilLoss("head", x, b.head(), b.graph.Targets, b.graph.Scale, t.Hidden, t.Head, b.rule)
	default:
		b.graph.Loss, t.Label, err = op.DistilTopLoss("head", x, b.head(), b.graph.Targets, b.graph.Scale, t.IDs, t.LogP, b.rule)
	}
	b.add(nil, err)
}

func (b *builder) logits(x *gorgonia.Node) {
	b.graph.Logits = b.add(op.Linear("head", x, b.head()))
}

func (b *builder) head() *gorgonia.Node { return b.param(b.HeadParameter()) }

func (b *builder) norm(at string, x *gorgonia.Node, name string) *gorgonia.Node {
	return b.add(op.RMSNorm(at, x, b.param(name), b.NormEps))
}

func (b *builder) param(name string) *gorgonia.Node { return b.graph.Params[name] }

// weight is a parameter of a linear layer as its matmul reads it.
func (b *builder) weight(at, name string) *gorgonia.Node {
	w := b.param(name)
	if b.err != nil {
		return w
	}
	transform := b.transform
	if transform == nil {
		transform = b.roundedWeight
	}
	y, err := transform(at, name, w)
	switch {
	case err != nil:
		b.err = fmt.Errorf("transform of %s: %w", name, err)
	case !y.Shape().Eq(w.Shape()):
		b.err = fmt.Errorf("transform of %s: the weight is %v, want %v", name, y.Shape(), w.Shape())
	default:
		return y
	}
	return w
}

func (b *builder) ids(name string) *gorgonia.Node {
	return gorgonia.NewVector(b.graph.ExprGraph, tensor.Int32, gorgonia.WithShape(b.batch*b.seq), gorgonia.WithName(name))
}

func (b *builder) matrix(name string, rows, columns int) *gorgonia.Node {
	return gorgonia.NewMatrix(b.graph.ExprGraph, b.dtype, gorgonia.WithShape(rows, columns), gorgonia.WithName(name))
}

func (b *builder) add(n *gorgonia.Node, err error) *gorgonia.Node {
	if b.err == nil {
		b.err = err
	}
	return n
}

func (b *builder) differentiate() error {
	var wrt []*gorgonia.Node
	var names []string
	for _, name := range b.order {
		if b.frozen == nil || !b.frozen(name) {
			wrt, names = append(wrt, b.param(name)), append(names, name)
		}
	}
	if len(wrt) == 0 {
		return errors.New("arch: every parameter is frozen: there is nothing to train")
	}
	grads, err := gorgonia.Grad(b.graph.Loss, wrt...)
	if err != nil {
		return fmt.Errorf("arch: gradients: %w", err)
	}
	for i, name := range names {
		b.graph.Gradients[name] = grads[i]
	}
	return nil
}
