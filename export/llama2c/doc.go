// Package llama2c writes and reads the files of llama2.c
// (https://github.com/karpathy/llama2.c): a model's .bin in version 0, which has
// no magic, and version 1, and its tokenizer.bin.
//
// All numbers are little-endian; every weight is float32. Version 0 is seven
// int32 (dim, width of the FFN, layers, heads, kv heads, vocabulary, negative
// where the head is not the embedding, and context), then the tensors of each
// kind for all layers together:
//
//	embedding, attention norms, wq, wk, wv, wo, FFN norms, w1 (gate), w2 (down),
//	w3 (up), final norm, two tables [context, D/2] of RoPE that readers skip, head
//
// Version 1 is the magic "ak42", the version, the same seven int32, a byte that
// says whether the head is the embedding, zeros up to byte 256, then
//
//	attention norms, FFN norms, final norm, embedding, wq, wk, wv, wo, w1, w2, w3, head
//
// As in llama.cpp's files, rotated elements are neighbours. The format has no
// place for a head size other than dim/heads, for an RMSNorm epsilon other than
// 1e-5, a RoPE base other than 10000, for scaling or for layer sharing: Write
// refuses what would come out as another function.
//
// Liu et al.'s models with shared layers are unrolled first (export.Unrolled).
package llama2c
