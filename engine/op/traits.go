package op

import "gorgonia.org/tensor"

// The traits of an operation are what it states of itself to executors and
// devices, beside its gradient: interfaces of one method each, and a function
// that also answers for an operation that does not state the trait.

// Rounder states which results may be kept in bf16. Those are what matmuls read
// and what is kept of a block for the backward pass; the residual stream and its
// gradient, statistics of rows, losses and gradients of weights are float32.
type Rounder interface {
	// Rounds reports whether part i is kept in bf16 where matmuls are in bf16.
	Rounds(i int) bool
}

// Rounds reports whether o keeps part i in bf16 where matmuls are in bf16: by
// default in float32.
func Rounds(o Op, i int) bool {
	r, ok := o.(Rounder)
	return ok && r.Rounds(i)
}

// Accumulator states which results its kernels can add to what is there, which
// must be float32: in the residual stream, in its gradient, or in the gradient of
// a weight. Of those its kernels must honour the store mode.
type Accumulator interface {
	// Accumulates reports whether part i can be added to what is there.
	Accumulates(i int) bool
}

// Accumulates reports whether o can add part i to what is there: by default it
// cannot.
func Accumulates(o Op, i int) bool {
	a, ok := o.(Accumulator)
	return ok && a.Accumulates(i)
}

// Replacer states which input its kernels can overwrite by the result: where nothing
// else reads that input, the result lies in its memory. The result has the input's type.
type Replacer interface {
	// InPlace is the number of that input. The result is the operation's only part.
	InPlace() int
}

// InPlace reports which input o's result may take the place of: by default none.
func InPlace(o Op) (input int, ok bool) {
	r, ok := o.(Replacer)
	if !ok {
		return 0, false
	}
	return r.InPlace(), true
}

// FLOPCounter states the floating-point operations of its matmuls, a
// multiplication and an addition counted apart. Element-wise work does not count.
type FLOPCounter interface {
	// FLOPs is their number for the shapes of the inputs and of the parts; that of
	// a part that nobody reads is nil.
	FLOPs(in, out []tensor.Shape) int64
}

// FLOPs are the floating-point operations of o's matmuls: by default none.
func FLOPs(o Op, in, out []tensor.Shape) int64 {
	c, ok := o.(FLOPCounter)
	if !ok {
		return 0
	}
	return c.FLOPs(in, out)
}

// Recompute says which of the ways to recompute makes a forward result again in
// the backward pass, in place of keeping it.
type Recompute uint8

const (
	// WithBlock is with everything else of its block.
	WithBlock Recompute = iota
	// WithAttention is with the attention, and what makes its inputs from the
	// block's norm likewise.
	WithAttention
	// Always is for what costs a pass over memory and no matmul.
	Always
)

// Recomputer states when its results are made again.
type Recomputer interface{ Recompute() Recompute }

// RecomputeOf is when o's results are made again: by default with its block.
func RecomputeOf(o Op) Recompute {
	if r, ok := o.(Recomputer); ok {
		return r.Recompute()
	}
	return WithBlock
}

// Remaking makes a part of an operation again from another, which its gradient
// keeps in any case, by a pass over memory.
type Remaking struct {
	Op     Op
	Part   int   // Op's first input
	Inputs []int // inputs of the operation, which are Op's others
}

// Remaker states which of its parts follow from another.
type Remaker interface {
	// Remake reports how part i is made again, if it is.
	Remake(i int) (Remaking, bool)
}

// Remakes reports whether some of o's parts are made again from others: by
// default all are kept, or made again from the inputs.
func Remakes(o Op) (Remaker, bool) {
	r, ok := o.(Remaker)
	return r, ok
}

// Multiplier states which inputs are the weights of its matmuls. They are
// parameters or computed from them, float32 with a rounded copy where the device
// wants one.
type Multiplier interface {
	// Weights are the numbers of those inputs, of so many, in groups: each group is
	// one matrix to a matmul, the rows of all weights, which lie end to end.
	Weights(inputs int) [][]int
}

// Weights are the inputs of o, of so many, that are weights of matmuls: by
// default none.
func Weights(o Op, inputs int) [][]int {
	m, ok := o.(Multiplier)
	if !ok {
		return nil
	}
	return m.Weights(inputs)
}

// Stacker states that its parts are the rows of one matrix.
type Stacker interface {
	// Stacks reports whether the parts lie end to end.
	Stacks() bool
}

// Stacks reports whether o's parts lie end to end: by default each lies for
// itself.
func Stacks(o Op) bool {
	s, ok := o.(Stacker)
	return ok && s.Stacks()
}

// productFLOPs are those of a matrix x[N,C] times one of o columns: 2·N·C·o.
func productFLOPs(x tensor.Shape, o int) int64 { return 2 * int64(x.TotalSize()) * int64(o) }
