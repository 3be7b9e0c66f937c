// Package onnx writes models as ONNX graphs (https://onnx.ai/onnx/repo-docs/IR.html)
// and reads its own graphs back to check them.
//
// [Write] makes a graph of standard operators of opset 17 (but for [Int4]), so ONNX
// Runtime runs it on servers and phones alike. Inputs and outputs have the names that
// Hugging Face's tools use:
//
//	input_ids       [B,T] int64    the new tokens
//	attention_mask  [B,P+T] int64  1 for tokens, 0 for padding; covers the past too
//	position_ids    [B,T] int64    the place of each new token
//	past_key_values.N.key, .value  [B,K,P,D]  the cache, P = 0 at first
//	logits          [B,T,V]
//	present.N.key, .value          [B,K,P+T,D]  the cache for the next call
//
// B, T and P are free in every call. N counts positions of the schedule, so a
// model with shared layers has a cache for each time that a layer runs while its
// weights are stored once (paper, section 2.3); a tied head is stored once too.
//
// Weights are float32, or float16 or bfloat16 that the graph casts before use:
// the arithmetic is float32 in these types. With [Int8] a layer's products are of
// 8-bit integers, weights with a scale for each output and activations with one for
// each token that the graph computes (package quant); with [Int4] its weights are
// blocks of 32 of 4 bits for MatMulNBits, an operator of ONNX Runtime's own. Embedding
// and head are float16 in both. Above 2 GB, the limit of a protocol buffer, weights go to
// a second file beside the graph.
//
// [Open] and [Graph.Run] are an interpreter of just these operators, in plain Go:
// it is slow, and there to compare what was written with the model.
package onnx
