// Package huggingface reads, applies and writes tokenizer.json, the file of Hugging
// Face's tokenizers library.
//
// [Parse] reads a [File], the one description of such a file here, and
// [File.Marshal] writes it. [New] makes a [Tokenizer] of it: added tokens are cut
// out of the text, the normalizer changes what is between them, the pre-tokenizer
// cuts words, the model makes ids of each word. The ids are those of the library's
// version 0.23 for every text, without the special tokens that the post-processor adds
// ([File.Start] says which), and so are the texts of ids; broken UTF-8, which the library
// cannot be given, is kept as it is.
//
// Known are models of the kinds BPE and Unigram, with bytes for what has no token or
// without, and
//
//   - the normalizers NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Nmt, Replace,
//     Prepend, Precompiled, ByteLevel;
//   - the pre-tokenizers ByteLevel, Split, Digits, Punctuation, Whitespace,
//     WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer, Metaspace;
//   - the decoders ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip;
//
// and sequences of them. Another kind, or a part that would change the ids in a way that
// is not known here, is an error that wraps [ErrKind] and names the part. There is one
// difference by intent: with ignore_merges a word never is a special token.
//
// Files come from strangers: what they can make of time and memory is bounded by the size
// of the text, and a file that asks for more is refused by the name of the limit.
//
//	f, err := huggingface.Parse(raw)
//	t, err := huggingface.New(f)
//	ids := t.Append(nil, []byte("Hello world"), huggingface.Whole)
package huggingface
