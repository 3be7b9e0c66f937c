package kerneltest

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/op"
	"mobilellm/internal/quant"
)

// Case is one operation with the shapes and types of its operands.
type Case struct {
	Name    string
	Op      op.Op
	In      []tensor.Shape // nil shape: ids
	IDs     []int32
	IDsOf   map[int][]int32 // of other inputs of ids
	Weights map[int]bool    // inputs that are parameters: float32 with a bf16 copy
	Half    map[int]bool    // those of them that are bf16 alone in bf16 runs
	F32     map[int]bool    // inputs that stay float32 in bf16 runs
	Out     []engine.DType  // of the parts in bf16 runs
	Gaps    []int           // parts that nobody reads
	Single  bool            // the plain version is in float32 too, where a result jumps at some inputs

	plain *plain // what copies of the case share; nil: nothing
}

// Cases are shapes that fill neither a vector nor a tile, of every operation. A
// head's tokens go beyond headTokens, where a device works in chunks of so many.
func Cases(headTokens int) []Case {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := func(n, vocab int) []int32 {
		x := make([]int32, n)
		for i := range x {
			x[i] = int32(rng.IntN(vocab))
		}
		return x
	}
	matrix := func(r, c int) tensor.Shape { return tensor.Shape{r, c} }
	const f, b = engine.F32, engine.BF16
	var cs []Case
	add := func(c Case) {
		c.plain = &plain{}
		cs = append(cs, c)
	}
	for _, n := range []int{1, 5, 64, 300} {
		for _, c := range []int{16, 24, 96} {
			size := fmt.Sprintf(" %dx%d", n, c)
			add(Case{Name: "embedding" + size, Op: op.EmbeddingOp{}, In: []tensor.Shape{matrix(50, c), nil}, IDs: ids(n, 50), Weights: map[int]bool{0: true}, Out: []engine.DType{f}})
			add(Case{Name: "embedding.grad" + size, Op: op.EmbeddingGradOp{Vocab: 50}, In: []tensor.Shape{nil, matrix(n, c)}, IDs: ids(n, 50), F32: map[int]bool{1: true}, Out: []engine.DType{f}})
			add(Case{Name: "linear" + size, Op: op.LinearOp{}, In: []tensor.Shape{matrix(n, c), matrix(40, c), matrix(8, c)}, Weights: map[int]bool{1: true, 2: true}, Out: []engine.DType{b}})
			add(Case{Name: "linear to residual" + size, Op: op.LinearOp{}, In: []tensor.Shape{matrix(n, c), matrix(40, c)}, Weights: map[int]bool{1: true}, Out: []engine.DType{f}})
			halves := map[int]bool{1: true, 2: true}
			add(Case{Name: "linear of frozen weights" + size, Op: op.LinearOp{}, In: []tensor.Shape{matrix(n, c), matrix(40, c), matrix(8, c)}, Weights: halves, Half: halves, Out: []engine.DType{b}})
			add(Case{Name: "linear.dx of frozen weights" + size, Op: op.LinearGradInputOp{}, In: []tensor.Shape{matrix(n, 48), matrix(40, c), matrix(8, c)}, Weights: halves, Half: halves, Out: []engine.DType{b}})
			add(Case{Name: "linear.dx" + size, Op: op.LinearGradInputOp{}, In: []tensor.Shape{matrix(n, 48), matrix(40, c), matrix(8, c)}, Weights: map[int]bool{1: true, 2: true}, Out: []engine.DType{b}})
			add(Case{Name: "linear.dx of residual" + size, Op: op.LinearGradInputOp{}, In: []tensor.Shape{matrix(n, 40), matrix(40, c)}, Weights: map[int]bool{1: true}, F32: map[int]bool{0: true}, Out: []engine.DType{b}})
			add(Case{Name: "linear.dw" + size, Op: op.LinearGradWeightOp{Rows: []int{40, 8}}, In: []tensor.Shape{matrix(n, 48), matrix(n, c)}, Out: []engine.DType{f, f}})
			add(Case{Name: "linear.dw of some" + size, Op: op.LinearGradWeightOp{Rows: []int{40, 8, 16, 24}}, In: []tensor.Shape{matrix(n, 88), matrix(n, c)}, Out: []engine.DType{f, f, f, f}, Gaps: []int{1}})
			add(Case{Name: "linear.dw of residual" + size, Op: op.LinearGradWeightOp{Rows: []int{48}}, In: []tensor.Shape{matrix(n, 48), matrix(n, c)}, F32: map[int]bool{0: true}, Out: []engine.DType{f}})
			add(Case{Name: "rmsnorm" + size, Op: op.RMSNormOp{Eps: 1e-5}, In: []tensor.Shape{matrix(n, c), {c}}, Weights: map[int]bool{1: true}, F32: map[int]bool{0: true}, Out: []engine.DType{b, b, f}})
			add(Case{Name: "rmsnorm scoring" + size, Op: op.RMSNormOp{Eps: 1e-5}, In: []tensor.Shape{matrix(n, c), {c}}, Weights: map[int]bool{1: true}, F32: map[int]bool{0: true}, Out: []engine.DType{b, b, f}, Gaps: []int{1, 2}})
			add(Case{Name: "rmsnorm.grad of no weight" + size, Op: op.RMSNormGradOp{}, In: []tensor.Shape{matrix(n, c), matrix(n, c), {n}, {c}}, Weights: map[int]bool{3: true}, F32: map[int]bool{2: true}, Out: []engine.DType{f, f}, Gaps: []int{1}})
			add(Case{Name: "rmsnorm.grad" + size, Op: op.RMSNormGradOp{}, In: []tensor.Shape{matrix(n, c), matrix(n, c), {n}, {c}}, Weights: map[int]bool{3: true}, F32: map[int]bool{2: true}, Out: []engine.DType{f, f}})
			add(Case{Name: "scale" + size, Op: op.ScaleOp{}, In: []tensor.Shape{matrix(n, c), {c}}, Weights: map[int]bool{1: true}, Out: []engine.DType{b}})
			add(Case{Name: "round" + size, Op: op.RoundOp{}, In: []tensor.Shape{matrix(n, c)}, F32: map[int]bool{0: true}, Out: []engine.DType{b}})
			add(Case{Name: "swiglu" + size, Op: op.SwiGLUOp{}, In: []tensor.Shape{matrix(n, 2*c)}, Out: []engine.DType{b}})
			add(Case{Name: "swiglu.grad" + size, Op: op.SwiGLUGradOp{}, In: []tensor.Shape{matrix(n, 2*c), matrix(n, c)}, Out: []engine.DType{b}})
			add(Case{Name: "relu" + size, Op: op.ReLUOp{}, In: []tensor.Shape{matrix(n, c)}, Out: []engine.DType{b}})
			add(Case{Name: "relu.grad" + size, Op: op.ReLUGradOp{}, In: []tensor.Shape{matrix(n, c), matrix(n, c)}, Out: []engine.DType{b}})
			add(Case{Name: "add" + size, Op: op.AddOp{}, In: []tensor.Shape{matrix(n, c), matrix(n, c)}, F32: map[int]bool{0: true, 1: true}, Out: []engine.DType{f}})
			if n == 5 && c == 96 || n == 64 && c == 24 {
				for _, c := range quantizeCases(n, c, size) {
					add(c)
				}
			}
			for _, c := range loraCases(n, c, size) {
				add(c)
			}
			targets := ids(n, 70)
			targets[0] = op.Unsupervised
			head := Case{Name: "headloss" + size, Op: op.HeadLossOp{}, In: []tensor.Shape{matrix(n, c), matrix(70, c), nil, {}}, IDs: targets, Weights: map[int]bool{1: true}, F32: map[int]bool{3: true}, Out: []engine.DType{f, b, f, f}, Gaps: []int{3}}
			add(head)
			head.Name, head.Gaps = "headloss scoring"+size, []int{1, 2, 3}
			add(head)
			head.Name, head.Op, head.Out, head.Gaps = "headloss with z-loss"+size, op.HeadLossOp{Z: 0.1}, []engine.DType{f, b, f, f, f}, []int{3}
			add(head)
			head.Op, head.Out = op.HeadLossOp{}, []engine.DType{f, b, f, f}
			head.Name, head.Gaps = "headloss of a frozen head"+size, []int{2, 3}
			add(head)
			if c == 24 {
				head.Name, head.Gaps = "headloss of each token"+size, []int{1, 2}
				add(head)
				head.Name, head.Gaps = "headloss, all of it"+size, nil
				add(head)
				for _, c := range distilCases(n, c, 70, targets, size) {
					add(c)
				}
			}
		}
	}
	for _, n := range []int{1, 5, 300} {
		for _, h := range []op.QKHeads{{Heads: 3, KVHeads: 1, HeadDim: 16}, {Heads: 4, KVHeads: 2, HeadDim: 6}, {Heads: 2, KVHeads: 2, HeadDim: 70}} {
			row, size := matrix(n, (h.Heads+2*h.KVHeads)*h.HeadDim), fmt.Sprintf(" %dx%d", n, h.HeadDim)
			w := tensor.Shape{h.HeadDim}
			add(Case{Name: "qknorm" + size, Op: op.QKNormOp{QKHeads: h, Eps: 1e-5}, In: []tensor.Shape{row, w, w}, Weights: map[int]bool{1: true, 2: true}, Out: []engine.DType{b}})
			grad := Case{Name: "qknorm.grad" + size, Op: op.QKNormGradOp{QKHeads: h, Eps: 1e-5}, In: []tensor.Shape{row, row, w, w}, Weights: map[int]bool{2: true, 3: true}, Out: []engine.DType{b, f, f}}
			add(grad)
			grad.Name, grad.Gaps = "qknorm.grad of frozen weights"+size, []int{1, 2}
			add(grad)
		}
	}
	large := ids(headTokens+70, 33)
	add(Case{Name: "headloss in chunks", Op: op.HeadLossOp{}, In: []tensor.Shape{matrix(len(large), 16), matrix(33, 16), nil, {}}, IDs: large, Weights: map[int]bool{1: true}, F32: map[int]bool{3: true}, Out: []engine.DType{f, b, f, f}})
	add(Case{Name: "headloss with z-loss in chunks", Op: op.HeadLossOp{Z: 0.1}, In: []tensor.Shape{matrix(len(large), 16), matrix(33, 16), nil, {}}, IDs: large, Weights: map[int]bool{1: true}, F32: map[int]bool{3: true}, Out: []engine.DType{f, b, f, f, f}})
	words := ids(40, 301)
	words[7] = op.Unsupervised
	add(Case{Name: "headloss in pieces", Op: op.HeadLossOp{}, In: []tensor.Shape{matrix(40, 24), matrix(301, 24), nil, {}}, IDs: words, Weights: map[int]bool{1: true}, F32: map[int]bool{3: true}, Out: []engine.DType{f, b, f, f}})
	for _, n := range []int{1, 5, headTokens + 70} {
		add(Case{Name: fmt.Sprintf("toplogprobs %d", n), Op: op.TopLogProbsOp{K: 7}, In: []tensor.Shape{matrix(n, 24), matrix(70, 24)}, Weights: map[int]bool{1: true}, Out: []engine.DType{f, f}})
	}
	large[3] = op.Unsupervised
	for _, c := range distilCases(len(large), 16, 33, large, " in chunks") {
		add(c)
	}
	for _, h := range []op.Heads{
		{Batch: 1, Seq: 1, Heads: 2, KVHeads: 1, HeadDim: 8},
		{Batch: 2, Seq: 7, Heads: 4, KVHeads: 2, HeadDim: 6},
		{Batch: 1, Seq: 130, Heads: 3, KVHeads: 3, HeadDim: 28},
		{Batch: 2, Seq: 256, Heads: 6, KVHeads: 2, HeadDim: 64},
		{Batch: 1, Seq: 300, Heads: 2, KVHeads: 1, HeadDim: 160},
		{Batch: 1, Seq: 1100, Heads: 1, KVHeads: 1, HeadDim: 40},
	} {
		h.RoPE.Base = 10000
		n, o := h.Batch*h.Seq, h.Heads*h.HeadDim
		size := fmt.Sprintf(" B%d T%d H%d K%d D%d", h.Batch, h.Seq, h.Heads, h.KVHeads, h.HeadDim)
		add(Case{Name: "attention" + size, Op: op.AttentionOp{Heads: h}, In: []tensor.Shape{matrix(n, h.Width())}, Out: []engine.DType{b, f}})
		add(Case{Name: "attention.grad" + size, Op: op.AttentionGradOp{Heads: h}, In: []tensor.Shape{matrix(n, h.Width()), matrix(n, o), matrix(n, h.Heads), matrix(n, o)}, F32: map[int]bool{2: true}, Out: []engine.DType{b}})
		for _, mean := range []int{3, 1 + h.Seq/5} {
			starts, kind := documents(rng, h, mean), fmt.Sprintf("documents of %d", mean)
			add(Case{Name: "masked attention, " + kind + size, Op: op.AttentionOp{Heads: h, Masked: true}, In: []tensor.Shape{matrix(n, h.Width()), nil}, IDs: starts, Out: []engine.DType{b, f}})
			add(Case{Name: "masked attention.grad, " + kind + size, Op: op.AttentionGradOp{Heads: h, Masked: true}, In: []tensor.Shape{matrix(n, h.Width()), matrix(n, o), matrix(n, h.Heads), matrix(n, o), nil}, IDs: starts, F32: map[int]bool{2: true}, Out: []engine.DType{b}})
		}
	}
	for _, h := range []op.Cache{
		{Heads: 2, KVHeads: 1, HeadDim: 8, Context: 100, Blocks: 6},
		{Heads: 9, KVHeads: 3, HeadDim: 64, Context: 300, Blocks: 20},
		{Heads: 10, KVHeads: 2, HeadDim: 22, Context: 64, Blocks: 4},
		{Heads: 3, KVHeads: 3, HeadDim: 160, Context: 130, Blocks: 9},
	} {
		h.RoPE.Base, h.Layers = 10000, 2
		for _, n := range []int{1, 5, 70} {
			positions, sequences, table := cached(rng, h, n)
			add(Case{
				Name: fmt.Sprintf("cachedattention %d rows H%d K%d D%d of %d", n, h.Heads, h.KVHeads, h.HeadDim, h.Context),
				Op:   op.CachedAttentionOp{Cache: h, Layer: 1}, In: []tensor.Shape{matrix(n, h.Width()), h.Shape(), nil, nil, nil},
				IDsOf: map[int][]int32{2: positions, 3: sequences, 4: table}, F32: map[int]bool{0: true}, Out: []engine.DType{f},
			})
		}
	}
	return cs
}

// loraCases are of n rows of width c with adapters of rank 8 on the first and the last of
// three weights, and on one alone, whose result is on the residual stream; and of dropout.
func loraCases(n, c int, size string) []Case {
	matrix := func(r, c int) tensor.Shape { return tensor.Shape{r, c} }
	const f, b = engine.F32, engine.BF16
	two, one := []int{0, c + 8}, []int{0}
	key := []int32{7, -3, 5, 12}
	return []Case{
		{Name: "lora" + size, Op: op.LoRAOp{Scale: 1.5, Columns: two}, In: []tensor.Shape{matrix(n, c+24), matrix(n, 16), matrix(c, 8), matrix(16, 8)}, Weights: map[int]bool{2: true, 3: true}, Out: []engine.DType{b}},
		{Name: "lora on residual" + size, Op: op.LoRAOp{Scale: 0.5, Columns: one}, In: []tensor.Shape{matrix(n, c), matrix(n, 8), matrix(c, 8)}, Weights: map[int]bool{2: true}, F32: map[int]bool{0: true}, Out: []engine.DType{f}},
		{Name: "lora.du" + size, Op: op.LoRAGradInputOp{Scale: 1.5, Columns: two}, In: []tensor.Shape{matrix(n, c+24), matrix(c, 8), matrix(16, 8)}, Weights: map[int]bool{1: true, 2: true}, Out: []engine.DType{b}},
		{Name: "lora.du of residual" + size, Op: op.LoRAGradInputOp{Scale: 0.5, Columns: one}, In: []tensor.Shape{matrix(n, c), matrix(c, 8)}, Weights: map[int]bool{1: true}, F32: map[int]bool{0: true}, Out: []engine.DType{b}},
		{Name: "lora.db" + size, Op: op.LoRAGradWeightOp{Scale: 1.5, Columns: two, Rows: []int{c, 16}}, In: []tensor.Shape{matrix(n, c+24), matrix(n, 16)}, Out: []engine.DType{f, f}},
		{Name: "lora.db of one" + size, Op: op.LoRAGradWeightOp{Scale: 1.5, Columns: two, Rows: []int{c, 16}}, In: []tensor.Shape{matrix(n, c+24), matrix(n, 16)}, Out: []engine.DType{f, f}, Gaps: []int{0}},
		{Name: "lora.db of residual" + size, Op: op.LoRAGradWeightOp{Scale: 0.5, Columns: one, Rows: []int{c}}, In: []tensor.Shape{matrix(n, c), matrix(n, 8)}, F32: map[int]bool{0: true}, Out: []engine.DType{f}},
		{Name: "dropout" + size, Op: op.DropoutOp{P: 0.3}, In: []tensor.Shape{matrix(n, c), nil}, IDs: key, Out: []engine.DType{b}},
		{Name: "dropout.grad" + size, Op: op.DropoutGradOp{P: 0.3}, In: []tensor.Shape{matrix(n, c), nil}, IDs: key, Out: []engine.DType{b}},
	}
}

// quantizeCases are of n rows of width c, of every rule.
func quantizeCases(n, c int, size string) (cs []Case) {
	x, alpha := tensor.Shape{n, c}, tensor.Shape{n}
	for _, s := range quant.Schemes() {
		r := quant.Rule{Method: quant.MinMax, Bits: 8, Scheme: s}
		cs = append(cs, Case{Name: fmt.Sprintf("quantize %s%s", s, size), Op: op.QuantizeOp{Rule: r}, In: []tensor.Shape{x}, Out: []engine.DType{engine.BF16}, Single: true})
	}
	for _, scaled := range []bool{false, true} {
		r := quant.Rule{Method: quant.Sign, Bits: 1, Scaled: scaled}
		cs = append(cs,
			Case{Name: fmt.Sprintf("quantize sign, scaled %v%s", scaled, size), Op: op.QuantizeOp{Rule: r}, In: []tensor.Shape{x}, Out: []engine.DType{engine.BF16}, Single: true},
			Case{Name: fmt.Sprintf("quantize.grad sign, scaled %v%s", scaled, size), Op: op.QuantizeGradOp{Rule: r}, In: []tensor.Shape{x, x}, F32: map[int]bool{0: scaled, 1: scaled}, Out: []engine.DType{bf16Unless(scaled)}, Single: true})
	}
	for _, m := range []quant.Method{quant.LSQ, quant.SEQ} {
		for _, b := range m.Bits() {
			r := quant.Rule{Method: m, Bits: b}
			f32 := map[int]bool{0: true, 1: true, 2: true}
			name := fmt.Sprintf("%s of %v bits%s", m, b, size)
			cs = append(cs,
				Case{Name: "learnedquantize " + name, Op: op.LearnedQuantizeOp{Rule: r}, In: []tensor.Shape{x, alpha}, F32: f32, Out: []engine.DType{engine.F32}, Single: true},
				Case{Name: "learnedquantize.grad " + name, Op: op.LearnedQuantizeGradOp{Rule: r}, In: []tensor.Shape{x, alpha, x}, F32: f32, Out: []engine.DType{engine.F32, engine.F32}, Single: true})
		}
	}
	return cs
}

// bf16Unless is the type of a gradient: of a weight float32.
func bf16Unless(f32 bool) engine.DType {
	if f32 {
		return engine.F32
	}
	return engine.BF16
}

// cached are n new tokens of two sequences that have some already, one of whose rows
// is no token: positions, sequences and the sequences' blocks.
func cached(rng *rand.Rand, c op.Cache, n int) (positions, sequences, table []int32) {
	for _, b := range rng.Perm(c.Blocks)[:2*c.Table()] {
		table = append(table, int32(b))
	}
	next := []int32{int32(c.Context - n - 1), 3}
	if next[0] < 0 {
		next = []int32{int32(c.Context - n/2 - 1), 3}
	}
	for i := range n {
		s := int32(i % 2)
		if i == 3 {
			positions, sequences = append(positions, 0), append(sequences, -1)
			continue
		}
		positions, sequences = append(positions, next[s]), append(sequences, s)
		next[s]++
	}
	return positions, sequences, table
}

// documents are the starts of documents of 1 to 2·mean−1 tokens.
func documents(rng *rand.Rand, h op.Heads, mean int) []int32 {
	starts := make([]int32, h.Batch*h.Seq)
	for b := range h.Batch {
		for at := 0; at < h.Seq; {
			end := min(at+1+rng.IntN(2*mean-1), h.Seq)
			for t := at; t < end; t++ {
				starts[b*h.Seq+t] = int32(at)
			}
			at = end
		}
	}
	return starts
}
