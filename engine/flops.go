package engine

import "mobilellm/engine/op"

// FLOPs counts the floating-point operations of an instruction's products, a
// multiplication and an addition each counted: 2·N·C·O for a product, and half
// of the full square of scores for causal attention. Element-wise work does not
// count.
func FLOPs(in *Instr) int64 {
	product := func(t *Tensor, o int) int64 { return 2 * int64(t.Len()) * int64(o) }
	switch o := in.Op.(type) {
	case op.LinearOp:
		return product(in.In[0], in.Out[0].Cols())
	case op.LinearGradInputOp:
		return product(in.In[0], in.In[1].Cols())
	case op.LinearGradWeightOp:
		return product(in.In[0], in.In[1].Cols())
	case op.AttentionOp:
		return 2 * scores(o.Heads)
	case op.AttentionGradOp:
		return 4 * scores(o.Heads)
	case op.HeadLossOp, op.DistilTopLossOp:
		return headFLOPs(in)
	case op.TopLogProbsOp:
		return product(in.In[0], in.In[1].Rows())
	case op.DistilLossOp:
		return headFLOPs(in) + product(in.In[4], in.In[5].Rows())
	}
	return 0
}

// headFLOPs are the logits and, where they are wanted, both gradients.
func headFLOPs(in *Instr) int64 {
	n := 2 * int64(in.In[0].Len()) * int64(in.In[1].Rows())
	if in.Out[1] != nil || in.Out[2] != nil {
		return 3 * n
	}
	return n
}

// scores are the operations of one causal T×T product for every head. The
// backward pass is counted as four: its fifth makes the scores again.
func scores(h op.Heads) int64 {
	return int64(h.Batch) * int64(h.Heads) * int64(h.Seq) * int64(h.Seq) * int64(h.HeadDim)
}
