// Package bpe learns byte-level BPE vocabularies from text.
//
// A text is cut in words, a word starts as its bytes, and the most frequent pair of
// neighbours is merged until the vocabulary is full (Sennrich, Haddow, Birch, "Neural
// machine translation of rare words with subword units", 2016, algorithm 1; on bytes:
// Radford et al., 2019).
//
//	tok, report, err := bpe.Train(ctx, texts, 8192, nil)
package bpe
