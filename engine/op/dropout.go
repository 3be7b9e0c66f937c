package op

import (
	"hash"
	"hash/fnv"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// DropoutOp sets elements of x[N,C] to 0, each with probability P, and scales the others
// by 1/(1−P) (Srivastava et al., 2014). What is dropped is a pure function of the key, of
// the row's number in the batch and of the operation's place: it does not depend on how the
// batch is split.
type DropoutOp struct {
	scope
	P float64
}

// DropoutKeys is the size of a key: the seed's lower and upper half, the step, and the
// number of the first row in the whole batch.
const DropoutKeys = 4

// Dropout returns y[N,C] of x[N,C] and key[DropoutKeys].
func Dropout(at string, x, key *gorgonia.Node, p float64) (*gorgonia.Node, error) {
	return apply(DropoutOp{scope(at), p}, x, key)
}

func (d DropoutOp) Kind() string                           { return "dropout" }
func (d DropoutOp) Arity() int                             { return 2 }
func (d DropoutOp) Type() hm.Type                          { return fnType(matrix, matrix, ids) }
func (d DropoutOp) WriteHash(h hash.Hash)                  { writeHash(h, d, d.P) }
func (d DropoutOp) Hashcode() uint32                       { return hashcode(d) }
func (d DropoutOp) String() string                         { return string(d.scope) + ".dropout" }
func (d DropoutOp) DiffWRT(int) []bool                     { return []bool{true, false} }
func (d DropoutOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (d DropoutOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(d, in)
}

// Rounds implements Rounder.
func (d DropoutOp) Rounds(int) bool { return true }

// Recompute implements Recomputer.
func (d DropoutOp) Recompute() Recompute { return Always }

// Do is the plain version.
func (d DropoutOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(d, v, func(a operands[float32]) { dropout(d, a) }, func(a operands[float64]) { dropout(d, a) })
}

func dropout[T Float](d DropoutOp, a operands[T]) {
	eachRow(a.shapes[0], func(n, first, last int) {
		Drop(d.Row(a.ids, n), a.out[first:last], a.in[0][first:last])
	})
}

func (d DropoutOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := apply(DropoutGradOp(d), grad, in[1])
	return gorgonia.Nodes{dx, nil}, err
}

// DropoutGradOp takes dy[N,C] and the key to dx[N,C]: what was dropped has no gradient.
type DropoutGradOp DropoutOp

func (d DropoutGradOp) Kind() string                           { return "dropout.grad" }
func (d DropoutGradOp) Arity() int                             { return 2 }
func (d DropoutGradOp) Type() hm.Type                          { return fnType(matrix, matrix, ids) }
func (d DropoutGradOp) WriteHash(h hash.Hash)                  { writeHash(h, d, d.P) }
func (d DropoutGradOp) Hashcode() uint32                       { return hashcode(d) }
func (d DropoutGradOp) String() string                         { return string(d.scope) + ".dropout.grad" }
func (d DropoutGradOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (d DropoutGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(d, in)
}

// Rounds implements Rounder.
func (d DropoutGradOp) Rounds(int) bool { return true }

// Accumulates implements Accumulator.
func (d DropoutGradOp) Accumulates(int) bool { return true }

// Do is the plain version.
func (d DropoutGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	o := DropoutOp(d)
	return evaluate(d, v, func(a operands[float32]) { dropout(o, a) }, func(a operands[float64]) { dropout(o, a) })
}

// DropRow is what is dropped of a row.
type DropRow struct {
	state uint64
	below uint64 // of 65,536: an element is dropped where its number is less
}

// Row is that of row n of an operation's input.
func (d DropoutOp) Row(key []int32, n int) DropRow {
	h := fnv.New64a()
	h.Write([]byte(d.scope))
	state := mix(h.Sum64() ^ (uint64(uint32(key[0])) | uint64(uint32(key[1]))<<32))
	state = mix(state + uint64(uint32(key[2]))*golden64)
	return DropRow{mix(state + (uint64(uint32(key[3]))+uint64(n))*golden64), uint64(math.Round(d.P * (1 << 16)))}
}

// Drop writes to dst what is left of a row x, scaled. Four elements share a random number.
func Drop[T Float](r DropRow, dst, x []T) {
	scale := T(1<<16) / T(1<<16-r.below)
	for i := 0; i < len(x); i += 4 {
		bits := mix(r.state + uint64(i)*golden64)
		for j := i; j < min(i+4, len(x)); j++ {
			dst[j] = 0
			if bits&(1<<16-1) >= r.below {
				dst[j] = x[j] * scale
			}
			bits >>= 16
		}
	}
}

// golden64 is 2⁶⁴ over the golden ratio, and mix the finaliser of SplitMix64 (Steele et
// al., 2014): numbers that differ by multiples of the one come out independent.
const golden64 = 0x9E3779B97F4A7C15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
