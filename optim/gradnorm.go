package optim

import (
	"math"
	"slices"
	"sync/atomic"
)

// GradNorm returns the L2 norm of all gradients taken as one vector. Squares
// are summed in float64, in fixed chunks whose sums are added in order, so the
// result does not depend on the number of workers. An infinite or NaN gradient
// gives an infinite or NaN norm. It allocates nothing once warm.
func GradNorm(params []Param, par Parallel) float64 {
	s := squares(params, par)
	defer spareNorm.Store(s)
	return Norm(s.partial)
}

// GradSquares are the sums of squares that [GradNorm] adds up, one for each fixed chunk of
// each parameter's gradient, in order: with them a norm can be put together of parameters
// that are not in one place. [Squares] says how many a parameter has.
func GradSquares(params []Param, par Parallel) []float64 {
	s := squares(params, par)
	defer spareNorm.Store(s)
	return slices.Clone(s.partial)
}

// Squares is the number of [GradSquares] of a parameter of n elements.
func Squares(n int) int { return (n + chunkSize - 1) / chunkSize }

// Norm is the norm of which these are the squares, added in order.
func Norm(squares []float64) float64 {
	total := 0.0
	for _, sum := range squares {
		total += sum
	}
	return math.Sqrt(total)
}

// squares computes them in spare memory, which the caller gives back.
func squares(params []Param, par Parallel) *normSum {
	s := spareNorm.Swap(nil)
	if s == nil {
		s = newNormSum()
	}
	s.params = params
	s.chunks = appendChunks(s.chunks[:0], params)
	if cap(s.partial) < len(s.chunks) {
		s.partial = make([]float64, len(s.chunks))
	}
	s.partial = s.partial[:len(s.chunks)]

	par.For(len(s.chunks), s.run)
	s.params = nil // a spare must not hold the model
	return s
}

// ClipScale returns the factor that brings a gradient of the given norm to at
// most clip, as torch.nn.utils.clip_grad_norm_ has it: clip/(norm+1e-6), never
// above 1. A clip of 0 is off and gives 1. A norm that is not finite gives 0
// or NaN: check it before the update.
func ClipScale(norm, clip float64) float32 {
	if clip == 0 {
		return 1
	}
	scale := clip / (norm + 1e-6)
	if scale > 1 {
		return 1
	}
	return float32(scale)
}

// normSum is the scratch of one GradNorm.
type normSum struct {
	params  []Param
	chunks  []chunk
	partial []float64 // sum of squares of each chunk
	run     func(worker, i int)
}

// spareNorm keeps the scratch of the last call for the next. Calls at the same
// time make their own.
var spareNorm atomic.Pointer[normSum]

func newNormSum() *normSum {
	s := new(normSum)
	s.run = func(_, i int) {
		c := s.chunks[i]
		s.partial[i] = sumSquares(s.params[c.param].Grad[c.lo:c.hi])
	}
	return s
}
