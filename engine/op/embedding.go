package op

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// EmbeddingOp looks up the row of each token.
type EmbeddingOp struct{ scope }

// Embedding returns x[N,C], row n being row ids[n] of w[V,C].
func Embedding(at string, w, ids *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(EmbeddingOp{scope(at)}, w, ids)
}

func (e EmbeddingOp) Kind() string          { return "embedding" }
func (e EmbeddingOp) Arity() int            { return 2 }
func (e EmbeddingOp) Type() hm.Type         { return fnType(matrix, matrix, ids) }
func (e EmbeddingOp) WriteHash(h hash.Hash) { writeHash(h, e) }
func (e EmbeddingOp) Hashcode() uint32      { return hashcode(e) }
func (e EmbeddingOp) String() string        { return string(e.scope) + ".embedding" }
func (e EmbeddingOp) DiffWRT(int) []bool    { return []bool{true, false} }
func (e EmbeddingOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{in[1][0], in[0][1]}}
}

func (e EmbeddingOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(e, in)
}

// Do is the plain version. An id outside the vocabulary is an error.
func (e EmbeddingOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	vocab := v[0].Shape()[0]
	for i, id := range v[1].Data().([]int32) {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("op: embedding %s: token %d is %d, vocabulary has %d", e.scope, i, id, vocab)
		}
	}
	return evaluate(e, v, lookup[float32], lookup[float64])
}

func lookup[T Float](a operands[T]) {
	c := a.shapes[0][1]
	for n, id := range a.ids {
		copy(a.out[n*c:(n+1)*c], a.in[0][int(id)*c:])
	}
}

func (e EmbeddingOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dw, err := apply(EmbeddingGradOp{e.scope, in[0].Shape()[0]}, in[1], grad)
	return gorgonia.Nodes{dw, nil}, err
}

// EmbeddingGradOp adds the gradient of each token's row to that row: dw[V,C].
type EmbeddingGradOp struct {
	scope
	Vocab int
}

func (e EmbeddingGradOp) Kind() string          { return "embedding.grad" }
func (e EmbeddingGradOp) Arity() int            { return 2 }
func (e EmbeddingGradOp) Type() hm.Type         { return fnType(matrix, ids, matrix) }
func (e EmbeddingGradOp) WriteHash(h hash.Hash) { writeHash(h, e, e.Vocab) }
func (e EmbeddingGradOp) Hashcode() uint32      { return hashcode(e) }
func (e EmbeddingGradOp) String() string        { return string(e.scope) + ".embedding.grad" }
func (e EmbeddingGradOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{e.Vocab, in[1][1]}}
}

func (e EmbeddingGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(e, in)
}

// Accumulates implements Accumulator.
func (e EmbeddingGradOp) Accumulates(int) bool { return true }

// Do is the plain version.
func (e EmbeddingGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(e, v, scatterAdd[float32], scatterAdd[float64])
}

func scatterAdd[T Float](a operands[T]) {
	c := a.shapes[1][1]
	for n, id := range a.ids {
		row := a.out[int(id)*c:]
		for j, g := range a.in[1][n*c : (n+1)*c] {
			row[j] += g
		}
	}
}
