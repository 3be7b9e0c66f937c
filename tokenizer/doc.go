// Package tokenizer turns text into ids and back, and is the one authority for what
// a sequence of tokens is.
//
// [Load] opens a tokenizer as people have them: a SentencePiece model, a
// tokenizer.json, or a folder with either, whose other files (tokenizer_config.json,
// special_tokens_map.json, generation_config.json, config.json, …) say which tokens
// are special. [Bytes] needs no file, package bpe learns one from text.
//
// A [Tokenizer] answers, for the corpus, a prompt, a teacher and every export alike:
//
//   - which ids a text has, either with the texts of special tokens standing for
//     them ([Tokenizer.Encode]) or as a text like any other
//     ([Tokenizer.EncodeOrdinary]);
//   - which ids are special, what ends a text and what opens one ([Special]);
//   - which files it is, that travel with a checkpoint as they are
//     ([Tokenizer.Save]).
//
// The ids are those of SentencePiece, or of the tokenizers library for a
// tokenizer.json. A [Vocabulary] is what other programs' formats keep of a
// tokenizer; [FromVocabulary] makes a tokenizer of one again.
//
//	tok, err := tokenizer.Load("checkpoint")
//	ids := tok.EncodeOrdinary([]byte("Hello world"))
//	text := tok.Decode(ids)
package tokenizer
