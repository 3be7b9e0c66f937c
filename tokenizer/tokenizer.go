package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"sync"
)

// EndOfText is the special token that stands between documents; it serves as
// both BOS and EOS of the tokenizers that this program makes.
const EndOfText = "<|endoftext|>"

// None stands for no token where an id is wanted.
const None = -1

// Tokenizer turns text into ids and back. It is safe for concurrent use.
//
// Decode(EncodeOrdinary(x)) = x for every x, broken UTF-8 included, where the
// tokenizer does not change text itself: byte-level ones without a normalizer.
type Tokenizer struct {
	coder
	special Special
	files   Files
	print   func() string
}

// coder makes ids of text and text of ids.
type coder interface {
	// VocabSize is the number of ids, special ones included.
	VocabSize() int
	// Decode returns the bytes that ids stand for. An id outside the vocabulary,
	// such as a model with a padded vocabulary can draw, stands for nothing.
	Decode(ids []int32) []byte
	// Token is the text of an id in the midst of others, of a control token its name;
	// empty for an id that is none.
	Token(id int32) []byte
	// NewDecoder returns a decoder at the beginning of a text.
	NewDecoder() Decoder
	// AppendPart appends the ids of a text, or of a part of one.
	AppendPart(dst []int32, text []byte, part Part) []int32
	// Cut returns the first place at or after from where a text may be cut into
	// parts without changing its ids, len(text) for none.
	Cut(text []byte, from int) int
	// ID finds a token by its text in the tokenizer's files.
	ID(token string) (int32, bool)
	// Vocabulary is what other programs' formats keep of the tokenizer.
	Vocabulary() (*Vocabulary, error)

	// tokenBytes are those that an id stands for in the midst of a text.
	tokenBytes(id int32) []byte
	// textBytes is the length of the text of each id, 0 for control tokens, and
	// how many bytes the first token of a text counts too much.
	textBytes(s Special) (lengths []int32, prefix int)
	// starting is tokenizer.json with the token that opens a text.
	starting(files Files, start int32) (Files, error)
}

// Encode returns the ids of text, without a token that opens or ends it. The texts
// of special tokens in it (`<|endoftext|>`) become those tokens, as transformers and
// llama.cpp (parse_special) have it by default.
func (t *Tokenizer) Encode(text []byte) []int32 {
	return t.AppendPart(make([]int32, 0, len(text)/3+8), text, Part{First: true, Last: true})
}

// EncodeOrdinary returns the ids of a text in which nothing stands for a control
// token: the way of text that users give.
func (t *Tokenizer) EncodeOrdinary(text []byte) []int32 {
	return t.AppendPart(make([]int32, 0, len(text)/3+8), text, Part{First: true, Last: true, Ordinary: true})
}

// Special says which ids have a meaning of their own.
func (t *Tokenizer) Special() Special { return t.special }

// TextBytes is the length of the text of each id, 0 for those that stand for no
// text, and how many bytes the first token of a text counts too much.
func (t *Tokenizer) TextBytes() (lengths []int32, prefix int) { return t.textBytes(t.special) }

// TokenBytes are the bytes that an id stands for in the midst of a text: at its beginning a
// blank may fall away. Of control tokens, and of those that stand for what is unknown,
// there are none. They must not be changed.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	if id < 0 || int(id) >= t.VocabSize() {
		return nil
	}
	return t.tokenBytes(id)
}

// Fingerprint is a hash, in hex, of everything that decides the ids of a text. What
// opens one is not in it.
func (t *Tokenizer) Fingerprint() string { return t.print() }

// StartingWith is the same tokenizer for texts that a token opens, or nothing for
// [None]; its saved files say so.
func (t *Tokenizer) StartingWith(start int32) (*Tokenizer, error) {
	if start == t.special.Start {
		return t, nil
	}
	if start != None && (start < 0 || int(start) >= t.VocabSize()) {
		return nil, fmt.Errorf("tokenizer: id %d, which is to open texts, is outside the vocabulary of %d", start, t.VocabSize())
	}
	other := *t
	other.special = t.special.clone()
	other.special.Start = start
	var err error
	if other.files, err = t.starting(t.files, start); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return &other, nil
}

// Save writes the tokenizer's files into a folder: as they were read, or as this
// program makes them.
func (t *Tokenizer) Save(dir string) error {
	if err := t.files.Write(dir); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	return nil
}

// Opening returns the ids that stand before a text: none, or the one that opens it.
func (t *Tokenizer) Opening() []int32 {
	if t.special.Start == None {
		return nil
	}
	return []int32{t.special.Start}
}

// Prompt is the ids of a text that begins a document.
func (t *Tokenizer) Prompt(text string) []int32 {
	return t.AppendPart(slices.Clone(t.Opening()), []byte(text), Part{First: true, Last: true, Ordinary: true})
}

// fingerprint sums, when it is first asked for, what write hashes to 16 hex digits.
func fingerprint(write func(hash.Hash)) func() string {
	return sync.OnceValue(func() string {
		h := sha256.New()
		write(h)
		return hex.EncodeToString(h.Sum(nil)[:8])
	})
}

// IsSentencePiece says whether the ids are those of a SentencePiece model.
func (t *Tokenizer) IsSentencePiece() bool {
	_, ok := t.coder.(piecesCoder)
	return ok
}
