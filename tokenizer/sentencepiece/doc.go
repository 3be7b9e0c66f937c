// Package sentencepiece reads and applies SentencePiece models of the kinds BPE, such as
// LLaMA's tokenizer.model, and unigram, and writes BPE models.
//
// The ids are those of the SentencePiece library for every input: the text is
// normalised as the model's file says ([Model] interprets its precompiled
// character map, dummy prefix and treatment of blanks), blanks become U+2581,
// user-defined pieces are cut out, characters are merged by the score of the
// piece that two neighbours make, and what has no piece falls back to bytes.
// Of a unigram model's pieces the most likely ones are chosen. Word and character models
// are refused.
//
// Kudo, Richardson, "SentencePiece: a simple and language independent subword
// tokenizer and detokenizer for neural text processing", 2018, section 3.
//
//	model, err := sentencepiece.Open("tokenizer.model")
//	ids := model.Encode([]byte("Hello world"))
//	text := model.Decode(ids)
package sentencepiece
