package arch

// ParameterCount is the number of trained values. A shared layer or embedding
// counts once.
func (c Config) ParameterCount() int64 {
	var n int64
	for _, p := range c.Parameters() {
		n += p.Size()
	}
	return n
}

// ForwardFLOPs is the number of floating-point operations that the forward pass
// spends on one token of a sequence of seq tokens, a multiplication and an
// addition counted apart:
//
//	2 · (weights in matmuls) + 2 · layers run · H·D · seq
//
// A shared layer's weights count each time it runs; the output head counts, the
// look-up of an embedding does not. The second term is causal attention: 2·H·D
// for the score and as much for the weighted sum of each of the seq/2 keys that a
// query sees on average. Norms, activations and the softmax are left out, as in
// Chowdhery et al. (PaLM, 2022), appendix B.
func (c Config) ForwardFLOPs(seq int) int64 {
	c = c.Resolved()
	depth := int64(c.Schedule().Len())
	attention := 2 * depth * int64(c.Heads*c.HeadDim) * int64(seq)
	return 2*c.productWeights() + attention
}

// TrainingFLOPs is the number of floating-point operations per token of a
// training step: three times [Config.ForwardFLOPs], as each matmul of the forward
// pass has two in the backward pass. Recomputed activations are not counted, so
// that MFU compares runs with and without them.
func (c Config) TrainingFLOPs(seq int) int64 { return 3 * c.ForwardFLOPs(seq) }

// PartialTrainingFLOPs is TrainingFLOPs where some parameters are frozen and adapters are
// trained beside them: matmuls for gradients that nothing needs are left out, those of the
// weights that are frozen and those of the inputs below the lowest layer that is trained.
func (c Config) PartialTrainingFLOPs(seq int, frozen func(name string) bool, adapters []Parameter) int64 {
	c = c.Resolved()
	weights, trained := make([]int64, c.Layers), make([]int64, c.Layers) // those in matmuls
	learns, extra := make([]bool, c.Layers), make([]int64, c.Layers)     // extra: adapters
	reached := false                                                     // whether the blocks' output needs a gradient
	for _, p := range c.Parameters() {
		switch {
		case p.Layer < 0:
			reached = reached || p.Name != HeadName && !frozen(p.Name)
		case len(p.Shape) == 2:
			weights[p.Layer] += p.Size()
			fallthrough
		default:
			if !frozen(p.Name) {
				learns[p.Layer] = true
				if len(p.Shape) == 2 {
					trained[p.Layer] += p.Size()
				}
			}
		}
	}
	for _, p := range adapters {
		if !frozen(p.Name) {
			extra[p.Layer] += p.Size()
			learns[p.Layer] = true
		}
	}
	head := int64(c.VocabSize) * int64(c.Dim)
	n := c.ForwardFLOPs(seq)
	if !frozen(c.HeadParameter()) {
		n += 2 * head
	}
	below := !frozen(EmbeddingName)
	attention := 2 * int64(c.Heads*c.HeadDim) * int64(seq)
	for _, layer := range c.Schedule().All() {
		below = below || learns[layer]
		reached = reached || below
		n += 6*extra[layer] + 2*trained[layer]
		if below {
			n += 2*weights[layer] + 2*attention
		}
	}
	if reached {
		n += 2 * head
	}
	return n
}

// productWeights is the number of weights that one token is multiplied with on
// its way through the schedule and the head.
func (c Config) productWeights() int64 {
	perLayer := make([]int64, c.Layers)
	for _, p := range c.Parameters() {
		if p.Layer >= 0 && len(p.Shape) == 2 {
			perLayer[p.Layer] += p.Size()
		}
	}
	n := int64(c.VocabSize) * int64(c.Dim)
	for _, layer := range c.Schedule().All() {
		n += perLayer[layer]
	}
	return n
}

// Workload is what [Config.Bytes] counts for.
type Workload struct {
	// Batch sequences of Seq tokens are held at once.
	Batch, Seq int
	// ValueBytes is the size of a stored weight, activation or cache entry: 4 for
	// float32, 2 for bf16. Gradients and optimizer state are float32 always.
	ValueBytes int
	// Moments is the number of tensors that the optimizer keeps for each weight: 2
	// for Adam, 1 for SGD with momentum.
	Moments int
}

// Bytes is a model's need of memory. Gradients, Optimizer and Activations are
// those of training, KVCache that of generation.
type Bytes struct {
	Weights, Gradients, Optimizer, Activations, KVCache int64
}

// Bytes counts what the model needs for w, in bytes. Activations is what one
// backward pass reads of the layers when each value is kept once and none is
// recomputed; the plan of a compiled graph knows the exact size.
func (c Config) Bytes(w Workload) Bytes {
	c = c.Resolved()
	weights := c.ParameterCount()
	tokens := int64(w.Batch) * int64(w.Seq)
	positions := int64(c.Schedule().Len())
	value := int64(w.ValueBytes)
	const float32Bytes = 4
	return Bytes{
		Weights:     weights * value,
		Gradients:   weights * float32Bytes,
		Optimizer:   weights * float32Bytes * int64(w.Moments),
		Activations: positions * tokens * c.savedPerToken() * value,
		// A key and a value for each position in the schedule: a layer that runs
		// twice sees other inputs the second time.
		KVCache: positions * tokens * 2 * int64(c.KVHeads*c.HeadDim) * value,
	}
}

// savedPerToken is the number of values that a block keeps for its backward pass:
// its input, the two norms' outputs and the residual between them (4·C), queries
// and attention output (2·H·D), keys and values (2·K·D), the softmax's
// log-sum-exp (H), and what goes into the FFN's activation and what comes out: gate,
// up and product (3·F) or, without a gate, 2·F.
func (c Config) savedPerToken() int64 {
	ffn := c.FFN.kind().kept * c.FFNDim
	return int64(4*c.Dim + 2*c.Heads*c.HeadDim + 2*c.KVHeads*c.HeadDim + c.Heads + ffn)
}
