package kernels

import "mobilellm/engine"

// Loss is the cross-entropy of a chunk of tokens, after the matmul that made
// their logits.
type Loss struct {
	Rows, Vocab int
	DType       engine.DType // of the gradient
	// Stride and GradientStride are the elements from row to row of logits and
	// gradient.
	Stride, GradientStride int

	Logits   Pointer // float32 [Rows, Vocab]
	Gradient Pointer // [Rows, Vocab]; 0 for scoring. May be Logits: then a row of it begins where its logits do, so GradientStride is 2·Stride in bf16
	Targets  Pointer // int32 [Rows]; a negative one does not count, its loss and gradient are 0
	Scale    Pointer // float32, one: the weight of a token's loss, 1 over the supervised tokens of the batch
	Losses   Pointer // float32 [Rows]: −log softmax at the target, not scaled

	Z       float32 // coefficient of the square of the log of Entropy's denominator
	ZLosses Pointer // float32 [Rows]: that term, not scaled; 0 for none
}

// lossThreads is the size of a block, which takes one row.
const lossThreads = 512

// Entropy makes Losses and, where Gradient is not 0,
// scale·(softmax(logits)·(1 + 2·Z·lse) − 1[target]), with lse the log of the softmax's
// denominator, and ZLosses, Z·lse², where that is not 0.
//
//	cross_entropy_T(logits, gradient, targets, scale, losses, zLosses, vocab, stride, gradientStride, z)
func (l Loss) Entropy() []Launch {
	return []Launch{launch(typed("cross_entropy", l.DType), l.Rows, lossThreads,
		addr(l.Logits), addr(l.Gradient), addr(l.Targets), addr(l.Scale), addr(l.Losses), addr(l.ZLosses),
		number(l.Vocab), number(l.Stride), number(l.GradientStride), float(l.Z))}
}

// Distillation is Entropy with a teacher (the paper's section 3.5): with p the
// student's and q the teacher's softmax, at temperature τ where the index says
// so, a token's loss is −α·log p[target] − (1−α)·τ²·Σ q_τ·log p_τ and its
// gradient scale·(α·(p − 1[target]) + (1−α)·τ·(p_τ − q_τ)). teacher is float32
// [Rows, Vocab] with teacherStride elements from row to row; Losses takes the
// whole loss, labels the first term's −log p[target].
//
//	distillation_T(logits, gradient, teacher, targets, scale, losses, labels, vocab, stride, gradientStride, teacherStride, alpha, temperature)
func (l Loss) Distillation(teacher, labels Pointer, teacherStride int, alpha, temperature float32) []Launch {
	return []Launch{launch(typed("distillation", l.DType), l.Rows, lossThreads,
		addr(l.Logits), addr(l.Gradient), addr(teacher), addr(l.Targets), addr(l.Scale), addr(l.Losses), addr(labels),
		number(l.Vocab), number(l.Stride), number(l.GradientStride), number(teacherStride), float(alpha), float(temperature))}
}

// DistillationTop is Distillation with a teacher of which count log-probabilities
// of each token are known: logProbs, float32 [Rows, count], of the tokens ids, int32
// [Rows, count], distinct in a row. q_τ is their softmax at τ, and 0 elsewhere.
//
//	distillation_top_T(logits, gradient, ids, logProbs, targets, scale, losses, labels, vocab, stride, gradientStride, count, alpha, temperature)
func (l Loss) DistillationTop(ids, logProbs, labels Pointer, count int, alpha, temperature float32) []Launch {
	return []Launch{launch(typed("distillation_top", l.DType), l.Rows, lossThreads,
		addr(l.Logits), addr(l.Gradient), addr(ids), addr(logProbs), addr(l.Targets), addr(l.Scale), addr(l.Losses), addr(labels),
		number(l.Vocab), number(l.Stride), number(l.GradientStride), number(count), float(alpha), float(temperature))}
}

// TopLogProbs makes the count largest log-probabilities of each row of logits,
// float32 [rows, vocab] with stride elements from row to row: logProbs, float32
// [rows, count], largest first and of equal ones that of the lower id, and their
// ids, float32 [rows, count]. count is at most vocab.
//
//	top_log_probs(logProbs, ids, logits, vocab, stride, count)
func TopLogProbs(logProbs, ids, logits Pointer, rows, vocab, stride, count int) []Launch {
	return []Launch{launch("top_log_probs", rows, lossThreads,
		addr(logProbs), addr(ids), addr(logits), number(vocab), number(stride), number(count))}
}

// SumLosses makes the scalar loss = scale·Σ losses[N], summed in float64.
//
//	sum_losses(loss, losses, scale, n)
func SumLosses(loss, losses, scale Pointer, n int) []Launch {
	return []Launch{launch("sum_losses", 1, 1024, addr(loss), addr(losses), addr(scale), number(n))}
}
