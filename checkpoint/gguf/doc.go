// Package gguf writes and reads GGUF files, the format of llama.cpp
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// A file is a header, key-value metadata (the model's shape and its tokenizer),
// a list of tensors and their data. [Write] writes a model of the llama
// architecture in one of [Types]: f32, f16, bf16 and blocks of 32 of 4, 5 or 8 bits.
// [Open] reads one of these types or of k-quants: [File.Config], [File.Check],
// [File.Load] and [File.Tokenizer]. What differs from Hugging Face's folders:
//
//   - tensors have llama.cpp's names (blk.3.attn_q.weight), and shapes are listed
//     with the fastest dimension first;
//   - llama.cpp rotates neighbouring elements 2i and 2i+1 of a head, not i and
//     i+D/2, so the rows of the query and key matrices are reordered;
//   - norms stay float32 in every type; a tensor whose rows are no whole blocks is
//     f16; the output matrix of a file in 4 or 5 bits is q8_0, and so is a tied
//     embedding. (llama.cpp's own quantiser does the same but where rows divide by
//     256: there it makes that q6_k, which is not written here.)
//   - a model with a tied head has no output.weight;
//   - layer sharing has no place in the format: unroll first.
//
// The tokenizer becomes llama.cpp's keys: tokens, merges or scores, special ids, and a
// name for how text is cut in words. What llama.cpp does otherwise with them than the
// tokenizer does, [Write] returns as notes; what it has no key for stands under
// mobilellm.tokenizer, and counts on the way back only where it agrees with the keys.
//
// A [File] is the parsed header over the file's mapping. Counts and lengths in it are held against the
// size of the file before anything is allocated.
package gguf
