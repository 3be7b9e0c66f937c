package arch

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// Option changes a graph.
type Option func(*builder)

// DocumentMask keeps attention within documents: the graph has the input Starts.
func DocumentMask(b *builder) { b.graph.Starts = b.ids("starts") }

// TokenLogProbs makes a graph with a loss give each token's log-probability of its
// target too, of a graph of B sequences of T tokens as [B,T] row by row: what tasks
// are scored by. A loss with a teacher has none.
func TokenLogProbs(b *builder) { b.logProbs = true }

// ZLoss adds the z-loss with the coefficient z, as [op.HeadZLoss] has it, to the loss of a
// graph; none where z is 0. A loss with a teacher has none.
func ZLoss(z float64) Option { return func(b *builder) { b.z = z } }

// WatchActivations keeps what the matmuls of the blocks read where a caller can have it as
// outputs, to look at it.
func WatchActivations(b *builder) { b.watch = true }

// WeightTransform returns what a linear layer multiplies by: computed from its
// parameter w[O,C] and of the same shape, such as w quantised, or w itself. at is
// the weight's place in the graph, for instance 17.self_attn.q_proj, name the
// parameter's name. The parameter's gradient is by the operations' own.
type WeightTransform func(at, name string, w *gorgonia.Node) (*gorgonia.Node, error)

// TransformWeights computes the weights of the linear layers of all blocks by f;
// embedding and head stay as they are. The weights of one matmul (q, k and v; gate
// and up) are one matrix: f transforms all of them or none. A layer that runs more
// than once is transformed at each position.
func TransformWeights(f WeightTransform) Option {
	return func(b *builder) { b.transform = f }
}

// TeacherInputs are what a graph with a teacher reads of it, and the loss without
// it. Either the first two are there or the next two.
type TeacherInputs struct {
	Hidden *gorgonia.Node // [N,E], what the teacher's head reads
	Head   *gorgonia.Node // [V,E], the teacher's output matrix
	IDs    *gorgonia.Node // [N·k] int32, the tokens that the teacher thinks likeliest
	LogP   *gorgonia.Node // [N,k], their log-probabilities

	Label *gorgonia.Node // scalar, the loss against the text alone
}

// Distil makes the loss that of learning from a teacher too, whose hidden states
// of width E are an input of the graph, its output matrix another. The teacher is
// a graph of its own, from [Config.BuildHidden].
func Distil(rule op.Distillation, width int) Option {
	return func(b *builder) {
		b.rule = rule
		b.graph.Teacher = &TeacherInputs{
			Hidden: b.matrix("teacher.hidden", b.batch*b.seq, width), Head: b.matrix("teacher.head", b.VocabSize, width),
		}
	}
}

// DistilTop makes the loss that of learning from a teacher too, of which the k
// largest log-probabilities of each token are inputs of the graph.
func DistilTop(rule op.Distillation, k int) Option {
	return func(b *builder) {
		n := b.batch * b.seq
		b.rule = rule
		b.graph.Teacher = &TeacherInputs{
			IDs:  gorgonia.NewVector(b.graph.ExprGraph, tensor.Int32, gorgonia.WithShape(n*k), gorgonia.WithName("teacher.ids")),
			LogP: b.matrix("teacher.logp", n, k),
		}
	}
}
