package op

import (
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Distillation weighs what a model learns from: of the text's next token and of
// a teacher's distribution over it (paper, section 3.5; Hinton et al., 2015).
// With z the model's logits at a token, y its target and p the teacher's
// distribution at the temperature τ, the token's loss is
//
//	α · −log softmax(z)[y]  +  (1−α) · τ² · −Σᵢ pᵢ log softmax(z/τ)[i]
//
// The second term is the cross-entropy with the teacher, not the divergence
// from it: they differ by the entropy of p, which the model cannot change. At
// α = 0 and τ = 1 it is the paper's equation 1.
type Distillation struct {
	Alpha       float64 // α, 0 to 1
	Temperature float64 // τ, above 0
}

// DistilLossOp is [HeadLossOp] with a teacher at hand: the teacher's logits are
// made from its hidden states and its output matrix, a chunk at a time as the
// model's are. Its parts are the loss (scalar), dx[N,C], dw[V,C] and the
// label loss alone (scalar), the loss at α = 1.
type DistilLossOp struct {
	scope
	Distillation
}

// DistilTopLossOp is [DistilLossOp] with a teacher whose top-k
// log-probabilities of each token were stored. What they leave of the
// distribution is dropped, and the k are scaled to sum to 1 at the temperature:
// pᵢ = exp(lᵢ/τ) / Σⱼ exp(lⱼ/τ). That needs nothing but the k numbers at any
// temperature, and with k = V it is the whole distribution.
type DistilTopLossOp struct {
	scope
	Distillation
}

// DistilLoss returns the scalar loss = scale·Σₙ of the supervised tokens' losses
// by d, for x[N,C], w[V,C], targets[N] and scale as in [HeadLoss], and the
// teacher's hidden[N,E] and head[V,E], whose product are its logits. label is
// the loss that α = 1 would give.
func DistilLoss(at string, x, w, targets, scale, hidden, head *gorgonia.Node, d Distillation) (loss, label *gorgonia.Node, err error) {
	return distilled(apply(DistilLossOp{scope(at), d}, x, w, targets, scale, hidden, head))
}

// DistilTopLoss is [DistilLoss] with the teacher's largest log-probabilities
// logp[N,k] in place of its logits, and their tokens ids[N·k], which must be
// distinct within a row.
func DistilTopLoss(at string, x, w, targets, scale, ids, logp *gorgonia.Node, d Distillation) (loss, label *gorgonia.Node, err error) {
	return distilled(apply(DistilTopLossOp{scope(at), d}, x, w, targets, scale, ids, logp))
}

func distilled(packed *gorgonia.Node, err error) (loss, label *gorgonia.Node, _ error) {
	if err != nil {
		return nil, nil, err
	}
	if loss, err = Part(packed, 0); err != nil {
		return nil, nil, err
	}
	label, err = Part(packed, 3)
	return loss, label, err
}

func (o DistilLossOp) Kind() string { return "distilloss" }
func (o DistilLossOp) Arity() int   { return 6 }
func (o DistilLossOp) Type() hm.Type {
	return fnType(vector, matrix, matrix, ids, scalar, matrix, matrix)
}
func (o DistilLossOp) WriteHash(h hash.Hash) { writeHash(h, o, o.Alpha, o.Temperature) }
func (o DistilLossOp) Hashcode() uint32      { return hashcode(o) }
func (o DistilLossOp) String() string        { return string(o.scope) + ".distilloss" }
func (o DistilLossOp) DiffWRT(int) []bool    { return []bool{true, true, false, false, false, false} }

func (o DistilTopLossOp) Kind() string { return "distiltoploss" }
func (o DistilTopLossOp) Arity() int   { return 6 }
func (o DistilTopLossOp) Type() hm.Type {
	return fnType(vector, matrix, matrix, ids, scalar, ids, matrix)
}
func (o DistilTopLossOp) WriteHash(h hash.Hash) { writeHash(h, o, o.Alpha, o.Temperature) }
func (o DistilTopLossOp) Hashcode() uint32      { return hashcode(o) }
func (o DistilTopLossOp) String() string        { return string(o.scope) + ".distiltoploss" }
func (o DistilTopLossOp) DiffWRT(int) []bool    { return []bool{true, true, false, false, false, false} }

// Parts implements Op.
func (Distillation) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{tensor.ScalarShape(), in[0].Clone(), in[1].Clone(), tensor.ScalarShape()}
}

// Rounds implements Rounder, as HeadLossOp does.
func (Distillation) Rounds(i int) bool { return i == 1 }

// Accumulates implements Accumulator, as HeadLossOp does.
func (Distillation) Accumulates(i int) bool { return i == 2 }

// Weights implements Multiplier: the model's and the teacher's output matrix.
func (o DistilLossOp) Weights(int) [][]int { return [][]int{{1}, {5}} }

// Weights implements Multiplier.
func (o DistilTopLossOp) Weights(int) [][]int { return [][]int{{1}} }

// FLOPs implements FLOPCounter.
func (o DistilLossOp) FLOPs(in, out []tensor.Shape) int64 {
	return headFLOPs(in, out) + productFLOPs(in[4], in[5][0])
}

// FLOPs implements FLOPCounter.
func (o DistilTopLossOp) FLOPs(in, out []tensor.Shape) int64 { return headFLOPs(in, out) }

// InferShape implements gorgonia.Op.
func (o DistilLossOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

// InferShape implements gorgonia.Op.
func (o DistilTopLossOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

func (d Distillation) checkStudent(in []tensor.Shape) error {
	if !(d.Alpha >= 0 && d.Alpha <= 1) || !(d.Temperature > 0) || math.IsInf(d.Temperature, 0) {
		return fmt.Errorf("alpha is %g, temperature %g", d.Alpha, d.Temperature)
	}
	if in[0][1] != in[1][1] || in[0][0] != in[2][0] {
		return fmt.Errorf("x is %v, w %v, targets %v", in[0], in[1], in[2])
	}
	return nil
}

func (o DistilLossOp) check(in []tensor.Shape) error {
	if err := o.checkStudent(in); err != nil {
		return err
	}
	if in[4][0] != in[0][0] || in[5][0] != in[1][0] || in[4][1] != in[5][1] {
		return fmt.Errorf("x is %v, w %v, the teacher's hidden states %v, its head %v", in[0], in[1], in[4], in[5])
	}
	return nil
}

func (o DistilTopLossOp) check(in []tensor.Shape) error {
	if err := o.checkStudent(in); err != nil {
		return err
	}
	if in[5][0] != in[0][0] || in[4][0] != in[5].TotalSize() || in[5][1] > in[1][0] {
		return fmt.Errorf("x is %v, w %v, the teacher's ids %v, their log-probabilities %v", in[0], in[1], in[4], in[5])
	}
	return nil
}

// Do is the plain version. A target beyond the vocabulary is an error.
func (o DistilLossOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	if err := checkTargets(o, v); err != nil {
		return nil, err
	}
	return evaluate(o, v, func(a operands[float32]) { distilLoss(a, o.Distillation, teacherLogits) },
		func(a operands[float64]) { distilLoss(a, o.Distillation, teacherLogits) })
}

// Do is the plain version. A target or an id beyond the vocabulary is an error.
func (o DistilTopLossOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	if err := checkTargets(o, v); err != nil {
		return nil, err
	}
	vocab := v[1].Shape()[0]
	for i, id := range v[4].Data().([]int32) {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("op: %s %s: teacher's id %d is %d, vocabulary has %d", o.Kind(), o.scope, i, id, vocab)
		}
	}
	return evaluate(o, v, func(a operands[float32]) { distilLoss(a, o.Distillation, teacherTop) },
		func(a operands[float64]) { distilLoss(a, o.Distillation, teacherTop) })
}

// checkTargets holds the targets, input 2 of a head with its loss, to the rows
// of the output matrix, input 1.
func checkTargets(o Op, v []gorgonia.Value) error {
	vocab := v[1].Shape()[0]
	for i, id := range v[2].Data().([]int32) {
		if int(id) >= vocab {
			return fmt.Errorf("op: %s %s: target %d is %d, vocabulary has %d", o.Kind(), o.Scope(), i, id, vocab)
		}
	}
	return nil
}

// teacherLogits fills z with the teacher's logits at a token.
func teacherLogits[T Float](a operands[T], t int, z []T) {
	e := a.shapes[4][1]
	for i := range z {
		z[i] = dot(a.in[4][t*e:], a.in[5][i*e:], e)
	}
}

// teacherTop fills z with the logits that are known.
func teacherTop[T Float](a operands[T], t int, z []T) {
	for i := range z {
		z[i] = T(math.Inf(-1))
	}
	k := a.shapes[5][1]
	for i, id := range a.idsOf[4][t*k : (t+1)*k] {
		z[id] = a.in[5][t*k+i]
	}
}

// softmax replaces logits by probabilities at a temperature and returns the
// log of their sum before.
func softmax[T Float](z []T, temperature T) T {
	largest := T(math.Inf(-1))
	for i := range z {
		z[i] /= temperature
		largest = max(largest, z[i])
	}
	var sum float64
	for _, x := range z {
		sum += math.Exp(float64(x - largest))
	}
	lse := largest + T(math.Log(sum))
	for i := range z {
		z[i] = T(math.Exp(float64(z[i] - lse)))
	}
	return lse
}

func distilLoss[T Float](a operands[T], d Distillation, teacher func(a operands[T], t int, z []T)) {
	n, c, vocab := a.shapes[0][0], a.shapes[0][1], a.shapes[1][0]
	x, w, scale := a.in[0], a.in[1], a.in[3][0]
	dx, dw, label := a.out[1:1+n*c], a.out[1+n*c:len(a.out)-1], &a.out[len(a.out)-1]
	alpha, temperature := T(d.Alpha), T(d.Temperature)
	z, hard, soft, p := make([]T, vocab), make([]T, vocab), make([]T, vocab), make([]T, vocab)
	for t, target := range a.ids {
		if target < 0 {
			continue
		}
		for i := range z {
			z[i] = dot(x[t*c:], w[i*c:], c)
		}
		copy(hard, z)
		copy(soft, z)
		teacher(a, t, p)
		softmax(p, temperature)
		hardLoss := softmax(hard, 1) - z[target]
		softLoss := softmax(soft, temperature)
		for i := range z {
			softLoss -= p[i] * z[i] / temperature
		}
		*label += scale * hardLoss
		a.out[0] += scale * (alpha*hardLoss + (1-alpha)*temperature*temperature*softLoss)
		for i := range z {
			g := alpha*hard[i] + (1-alpha)*temperature*(soft[i]-p[i])
			if i == int(target) {
				g -= alpha
			}
			g *= scale
			for j := range c {
				dx[t*c+j] += g * w[i*c+j]
				dw[i*c+j] += g * x[t*c+j]
			}
		}
	}
}

// SymDiff returns the gradients that the forward pass made, as [HeadLossOp]
// does; the teacher has none.
func (o DistilLossOp) SymDiff(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return distilGradients(out, grad)
}

// SymDiff returns the gradients that the forward pass made; see DistilLossOp.
func (o DistilTopLossOp) SymDiff(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return distilGradients(out, grad)
}

func distilGradients(out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if !isOne(grad) {
		return nil, errNotRoot
	}
	dx, err := Part(out, 1)
	if err != nil {
		return nil, err
	}
	dw, err := Part(out, 2)
	return gorgonia.Nodes{dx, dw, nil, nil, nil, nil}, err
}
