package op

import (
	"errors"
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// HeadLossOp is the output head and the cross-entropy of its logits in one
// operation, so that the N×V logits need never exist at once. Its parts are
// the loss (scalar), dx[N,C], dw[V,C], the log-probability of each token's
// target [N], which is 0 for a token that is not supervised, and, where there is a
// z-loss, that term of the loss (scalar).
type HeadLossOp struct {
	scope
	Z float64 // coefficient of the z-loss, 0 for none
}

// Unsupervised marks a token whose target does not count. Any negative target
// does.
const Unsupervised = -1

// HeadLoss returns the scalar loss = scale·Σₙ −log softmax(x·wᵀ)[n, targets[n]]
// over the supervised tokens, for x[N,C], w[V,C] and targets[N]; scale is
// 1 over their number in the whole batch.
func HeadLoss(at string, x, w, targets, scale *gorgonia.Node) (*gorgonia.Node, error) {
	packed, err := apply(HeadLossOp{scope: scope(at)}, x, w, targets, scale)
	if err != nil {
		return nil, err
	}
	return Part(packed, 0)
}

// HeadZLoss is HeadLoss with z·log²Z of each supervised token added, Z being the
// denominator of its softmax: it keeps logits from drifting (Chowdhery et al., PaLM,
// 2022, section 5, where z is 1e-4). zloss is that term of the loss, which has no
// gradient of its own.
func HeadZLoss(at string, x, w, targets, scale *gorgonia.Node, z float64) (loss, zloss *gorgonia.Node, err error) {
	packed, err := apply(HeadLossOp{scope(at), z}, x, w, targets, scale)
	if err != nil {
		return nil, nil, err
	}
	if loss, err = Part(packed, 0); err != nil {
		return nil, nil, err
	}
	zloss, err = Part(packed, 4)
	return loss, zloss, err
}

// HeadLossLogProbs is HeadLoss that also gives logp[N], log softmax(x·wᵀ)[n,
// targets[n]] of each token, without scale, and 0 where the token is not supervised.
// It has no gradient.
func HeadLossLogProbs(at string, x, w, targets, scale *gorgonia.Node) (loss, logp *gorgonia.Node, err error) {
	if loss, err = HeadLoss(at, x, w, targets, scale); err != nil {
		return nil, nil, err
	}
	logp, err = LogProbs(loss)
	return loss, logp, err
}

// LogProbs is the logp[N] of HeadLossLogProbs for a loss of HeadLoss or HeadZLoss.
func LogProbs(loss *gorgonia.Node) (*gorgonia.Node, error) { return Part(Children(loss)[0], 3) }

func (o HeadLossOp) Kind() string          { return "headloss" }
func (o HeadLossOp) Arity() int            { return 4 }
func (o HeadLossOp) Type() hm.Type         { return fnType(vector, matrix, matrix, ids, scalar) }
func (o HeadLossOp) WriteHash(h hash.Hash) { writeHash(h, o, o.Z) }
func (o HeadLossOp) Hashcode() uint32      { return hashcode(o) }
func (o HeadLossOp) String() string        { return string(o.scope) + ".headloss" }
func (o HeadLossOp) DiffWRT(int) []bool    { return []bool{true, true, false, false} }
func (o HeadLossOp) Parts(in []tensor.Shape) []tensor.Shape {
	parts := []tensor.Shape{tensor.ScalarShape(), in[0].Clone(), in[1].Clone(), {in[0][0]}}
	if o.Z != 0 {
		parts = append(parts, tensor.ScalarShape())
	}
	return parts
}

func (o HeadLossOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

func (o HeadLossOp) check(in []tensor.Shape) error {
	if !(o.Z >= 0) || math.IsInf(o.Z, 0) {
		return fmt.Errorf("the z-loss's coefficient is %g", o.Z)
	}
	if in[0][1] != in[1][1] || in[0][0] != in[2][0] {
		return fmt.Errorf("x is %v, w %v, targets %v", in[0], in[1], in[2])
	}
	return nil
}

// Rounds implements Rounder: dx is what a matmul reads.
func (o HeadLossOp) Rounds(i int) bool { return i == 1 }

// Accumulates implements Accumulator: dw is a gradient of a weight.
func (o HeadLossOp) Accumulates(i int) bool { return i == 2 }

// Weights implements Multiplier.
func (o HeadLossOp) Weights(int) [][]int { return [][]int{{1}} }

// FLOPs implements FLOPCounter.
func (o HeadLossOp) FLOPs(in, out []tensor.Shape) int64 { return headFLOPs(in, out) }

// headFLOPs are those of the logits and of the gradients that are wanted.
func headFLOPs(in, out []tensor.Shape) int64 {
	n := int64(1)
	for _, gradient := range out[1:3] {
		if gradient != nil {
			n++
		}
	}
	return n * productFLOPs(in[0], in[1][0])
}

// Do is the plain version. A target beyond the vocabulary is an error.
func (o HeadLossOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	if err := checkTargets(o, v); err != nil {
		return nil, err
	}
	return evaluate(o, v, func(a operands[float32]) { headLoss(a, o.Z) }, func(a operands[float64]) { headLoss(a, o.Z) })
}

func headLoss[T Float](a operands[T], z float64) {
	n, c, vocab := a.shapes[0][0], a.shapes[0][1], a.shapes[1][0]
	x, w, scale := a.in[0], a.in[1], a.in[3][0]
	dx, dw, logp := a.out[1:1+n*c], a.out[1+n*c:][:vocab*c], a.out[1+n*c+vocab*c:][:n]
	p := make([]T, vocab)
	for t, target := range a.ids {
		if target < 0 {
			continue
		}
		largest := T(math.Inf(-1))
		for i := range p {
			p[i] = dot(x[t*c:], w[i*c:], c)
			largest = max(largest, p[i])
		}
		var sum float64
		for i := range p {
			sum += math.Exp(float64(p[i] - largest))
		}
		lse := largest + T(math.Log(sum))
		logp[t] = p[target] - lse
		a.out[0] -= scale * logp[t]
		if z != 0 {
			term := scale * T(z) * lse * lse
			a.out[0] += term
			a.out[len(a.out)-1] += term
		}
		for i := range p {
			g := T(math.Exp(float64(p[i]-lse))) * scale * (1 + 2*T(z)*lse)
			if i == int(target) {
				g -= scale
			}
			for j := range c {
				dx[t*c+j] += g * w[i*c+j]
				dw[i*c+j] += g * x[t*c+j]
			}
		}
	}
}

var errNotRoot = errors.New("op: the head's loss must be the value that is differentiated; weigh it by its scale input")

// SymDiff returns the gradients that the forward pass made. They hold for an
// upstream gradient of 1 only, which is what gorgonia.Grad gives its cost.
func (o HeadLossOp) SymDiff(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if !isOne(grad) {
		return nil, errNotRoot
	}
	dx, err := Part(out, 1)
	if err != nil {
		return nil, err
	}
	dw, err := Part(out, 2)
	return gorgonia.Nodes{dx, dw, nil, nil}, err
}

func isOne(n *gorgonia.Node) bool {
	if n.Value() == nil {
		return false
	}
	switch v := n.Value().Data().(type) {
	case float32:
		return v == 1
	case float64:
		return v == 1
	}
	return false
}
