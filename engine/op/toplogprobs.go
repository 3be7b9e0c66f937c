package op

import (
	"cmp"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TopLogProbsOp is the output head and the top-K log-probabilities of its
// softmax in one operation, so that the N×V logits need never exist at once: what
// is stored of a teacher. Its parts are the log-probabilities[N,K], largest first
// and of equal ones that of the lower id, and their ids[N,K] as numbers. It has no
// gradient.
type TopLogProbsOp struct {
	scope
	K int
}

// TopLogProbs returns the top-k log-probabilities of each row of x·wᵀ and
// their ids, both [N,k], for x[N,C] and w[V,C].
func TopLogProbs(at string, x, w *gorgonia.Node, k int) (logp, ids *gorgonia.Node, err error) {
	packed, err := apply(TopLogProbsOp{scope(at), k}, x, w)
	if err != nil {
		return nil, nil, err
	}
	if logp, err = Part(packed, 0); err != nil {
		return nil, nil, err
	}
	ids, err = Part(packed, 1)
	return logp, ids, err
}

func (o TopLogProbsOp) Kind() string          { return "toplogprobs" }
func (o TopLogProbsOp) Arity() int            { return 2 }
func (o TopLogProbsOp) Type() hm.Type         { return fnType(vector, matrix, matrix) }
func (o TopLogProbsOp) WriteHash(h hash.Hash) { writeHash(h, o, o.K) }
func (o TopLogProbsOp) Hashcode() uint32      { return hashcode(o) }
func (o TopLogProbsOp) String() string        { return string(o.scope) + ".toplogprobs" }
func (o TopLogProbsOp) DiffWRT(int) []bool    { return []bool{false, false} }
func (o TopLogProbsOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{in[0][0], o.K}, {in[0][0], o.K}}
}

func (o TopLogProbsOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

func (o TopLogProbsOp) check(in []tensor.Shape) error {
	if in[0][1] != in[1][1] || o.K < 1 || o.K > in[1][0] || in[1][0] > 1<<24 { // ids are exact in float32
		return fmt.Errorf("x is %v, w %v, k %d", in[0], in[1], o.K)
	}
	return nil
}

// Weights implements Multiplier.
func (o TopLogProbsOp) Weights(int) [][]int { return [][]int{{1}} }

// FLOPs implements FLOPCounter.
func (o TopLogProbsOp) FLOPs(in, _ []tensor.Shape) int64 { return productFLOPs(in[0], in[1][0]) }

// Do is the plain version.
func (o TopLogProbsOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(o, v, func(a operands[float32]) { topLogProbs(a, o.K) }, func(a operands[float64]) { topLogProbs(a, o.K) })
}

func topLogProbs[T Float](a operands[T], k int) {
	n, c, vocab := a.shapes[0][0], a.shapes[0][1], a.shapes[1][0]
	z, p, order := make([]T, vocab), make([]T, vocab), make([]int, vocab)
	for t := range n {
		for i := range z {
			z[i], order[i] = dot(a.in[0][t*c:], a.in[1][i*c:], c), i
		}
		copy(p, z)
		lse := softmax(p, 1)
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(z[j], z[i]) })
		for i, id := range order[:k] {
			a.out[t*k+i], a.out[(n+t)*k+i] = z[id]-lse, T(id)
		}
	}
}

// SymDiff implements gorgonia.SDOp: there is no gradient.
func (o TopLogProbsOp) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return nil, errors.New("op: toplogprobs has no gradient")
}
