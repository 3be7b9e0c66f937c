package data

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// EndOfText is the special token that stands between documents; it serves as
// both BOS and EOS of the tokenizers of this package.
const EndOfText = "<|endoftext|>"

// Tokenizer turns text into ids and back. Implementations are safe for
// concurrent use.
//
// The text of a special token inside the input (`<|endoftext|>`) becomes
// that token's id, as the Hugging Face library does by default; Decode gives
// its text back, so that Decode(Encode(x)) = x for every x, broken UTF-8
// included.
type Tokenizer interface {
	// Encode returns the ids of text, without BOS or EOS around them.
	Encode(text []byte) []int32
	// AppendEncode appends the ids of text to dst.
	AppendEncode(dst []int32, text []byte) []int32
	// Decode returns the bytes that ids stand for. An id outside the
	// vocabulary, such as a model with a padded vocabulary can draw,
	// stands for nothing.
	Decode(ids []int32) []byte
	// VocabSize is the number of ids, special ones included.
	VocabSize() int
	// BOS is the id that opens a text, if the tokenizer has one.
	BOS() (int32, bool)
	// EOS is the id that ends a document, if the tokenizer has one.
	EOS() (int32, bool)
	// Fingerprint is a hash, in hex, of everything that decides the ids.
	Fingerprint() string
	// Save writes the tokenizer's files into the folder dir: tokenizer.json,
	// tokenizer_config.json and special_tokens_map.json.
	Save(dir string) error
}

// cutter is a tokenizer that knows where a text may be cut in two without
// changing its ids.
type cutter interface {
	// cut returns the first such place at or after from, len(text) if there
	// is none.
	cut(text []byte, from int) int
}

// parter is a tokenizer to which it matters where in a text a part stands.
type parter interface {
	appendPart(dst []int32, text []byte, first, last bool) []int32
}

// Cutter returns the function that says where a text may be cut into parts
// without changing its ids: the first such place at or after from, len(text)
// for none. The parts are encoded with [AppendPart].
func Cutter(tok Tokenizer) func(text []byte, from int) int {
	if c, ok := tok.(cutter); ok {
		return c.cut
	}
	return func(text []byte, _ int) int { return len(text) }
}

// AppendPart appends the ids of a part of a text; first and last say whether
// the text begins and ends with it.
func AppendPart(tok Tokenizer, dst []int32, text []byte, first, last bool) []int32 {
	if p, ok := tok.(parter); ok {
		return p.appendPart(dst, text, first, last)
	}
	return tok.AppendEncode(dst, text)
}

// fingerprint sums what write hashes to 16 hex digits.
func fingerprint(write func(hash.Hash)) string {
	h := sha256.New()
	write(h)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
