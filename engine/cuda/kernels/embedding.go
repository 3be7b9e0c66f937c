package kernels

// Embedding copies x[n] = w[ids[n]]: x[N,C] and w[V,C] float32, ids[N] int32,
// each within the vocabulary.
//
//	embedding(x, w, ids, c)
func Embedding(x, w, ids Pointer, n, c int) []Launch {
	return []Launch{launch("embedding", n, rowThreads(c, 4), addr(x), addr(w), addr(ids), number(c))}
}

// EmbeddingGradientScratch is the number of bytes that EmbeddingGradient wants.
func EmbeddingGradientScratch(n int) int64 { return aligned(4 * int64(n)) }

// EmbeddingGradient makes dw[V,C] float32, to which the row of every token of
// dx[N,C] float32 is added; where it does not add, dw is cleared first. The tokens
// are put in the order of their ids, and each row is summed in the order of its
// tokens.
//
//	fill_f32(dw, 0, V·C)
//	token_order(order, ids, n)
//	embedding_gradient(dw, dx, ids, order, n, c)
func EmbeddingGradient(dw, ids, dx, scratch Pointer, n, c, vocab int, adds bool) []Launch {
	var ls []Launch
	if !adds {
		ls = Fill(dw, 0, vocab*c)
	}
	grad := launch("embedding_gradient", n, 32, addr(dw), addr(dx), addr(ids), addr(scratch), number(n), number(c))
	grad.Grid[1] = ceil(c, gradientColumns)
	return append(ls, launch("token_order", ceil(n, Threads), Threads, addr(scratch), addr(ids), number(n)), grad)
}

// gradientColumns is the number of columns of dw that a block makes.
const gradientColumns = 128
