// Package charsmap reads precompiled_charsmap, the rules by which SentencePiece's models,
// and the normalizer Precompiled of a tokenizer.json, replace characters.
package charsmap
