// Package gguf writes and reads GGUF files, the format of llama.cpp
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// A file is a header, key-value metadata (the model's shape and its tokenizer),
// a list of tensors and their data. [Write] writes a model of the llama
// architecture in f32, f16, bf16 or q8_0. [Open] reads one of these types or of
// blocks of 4 to 6 bits: [File.Config], [File.Check], [File.Load] and
// [File.Tokenizer]. What differs from Hugging Face's folders:
//
//   - tensors have llama.cpp's names (blk.3.attn_q.weight), and shapes are listed
//     with the fastest dimension first;
//   - llama.cpp rotates neighbouring elements 2i and 2i+1 of a head, not i and
//     i+D/2, so the rows of the query and key matrices are reordered;
//   - norms stay float32 in every type; a q8_0 tensor whose rows are no multiple
//     of 32 is f16;
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
