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

// eachPair calls move with the row of each element in both layouts.
func eachPair(heads, headDim int, move func(half, neighbour int)) {
	for head := range heads {
		first := head * headDim
		for i := range headDim / 2 {
			move(first+i, first+2*i)
			move(first+i+headDim/2, first+2*i+1)
		}
	}
}
