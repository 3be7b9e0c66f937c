// Package vocab carries tokenizers between formats.
//
// A [Vocabulary] is what tokenizers of LLaMA models have in common: tokens with
// text, score and type, merges where there are such, and which tokens begin and
// end a text. Two kinds are known: SentencePiece's, whose pieces have scores
// ([SentencePiece]), and byte-level BPE with a list of merges ([ByteLevel]).
//
// [FromFolder] reads the tokenizer of a model folder (tokenizer.model or else
// tokenizer.json), [Vocabulary.SaveFolder] writes one that Hugging Face's tools
// load. Package gguf and llama2c put the same into their own files.
package vocab
