// Package rotary reorders the rows of query and key matrices between the two
// layouts of rotary position embeddings.
//
// Hugging Face's LLaMA rotates element i of a head with element i+D/2; Meta's
// own code, llama2.c and llama.cpp rotate the neighbours 2i and 2i+1. Both
// compute the same function once the rows of W_q and W_k are reordered within
// each head.
package rotary

// ToNeighbours returns w [heads·D, C], in the layout of halves, in that of
// neighbours.
func ToNeighbours(w []float32, heads, headDim int) []float32 {
	out := make([]float32, len(w))
	width := len(w) / (heads * headDim)
	eachPair(heads, headDim, func(half, neighbour int) {
		copy(out[neighbour*width:][:width], w[half*width:])
	})
	return out
}

// ToHalves returns w [heads·D, C], in the layout of neighbours, in that of
// halves.
func ToHalves(w []float32, heads, headDim int) []float32 {
	out := make([]float32, len(w))
	width := len(w) / (heads * headDim)
	eachPair(heads, headDim, func(half, neighbour int) {
		copy(out[half*width:][:width], w[neighbour*width:])
	})
	return out
}

// HalfRow is the row in the layout of halves of a row in that of neighbours, of heads
// of D rows.
func HalfRow(row, headDim int) int {
	i := row % headDim
	return row - i + i/2 + i%2*(headDim/2)
}

// eachPair calls move with the row of each element in both layouts.
func eachPair(heads, headDim int, move func(half, neighbour int)) {
	for row := range heads * headDim {
		move(HalfRow(row, headDim), row)
	}
}
