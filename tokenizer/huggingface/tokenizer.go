package huggingface

import (
	"bytes"

	"mobilellm/tokenizer/internal/merge"
)

// Tokenizer applies a tokenizer.json. It is safe for concurrent use.
type Tokenizer struct {
	file *File

	tokens  [][]byte         // by id: what it decodes to; nil for no token
	whole   map[string]int32 // words that are tokens whatever the merges say, see ignore_merges
	byteIDs [256]int32
	rules   merge.Table
	cutter  wordCutter // of bytes
	pieces  *metaspace // made from SentencePiece's; nil for bytes

	normalizer normalizer
	parsed     added // added tokens where the text of special ones stands for them
	ordinary   added // and where it is text
	texts      map[string]int32

	cache *merge.Cache
}

// added are the added tokens: those that are looked for in the text as it is, and
// those that are looked for in what the normalizer makes of the rest.
type added struct{ plain, normalized *addedTokens }

// Part says how a text, or a part of one, is to be read.
type Part struct {
	Begins bool // the whole text begins with this part
	// Ordinary takes the text of special tokens, such as <|endoftext|>, as text.
	Ordinary bool
}

// Whole is a whole text in which the texts of special tokens stand for them, as the
// library has it.
var Whole = Part{Begins: true}

// Append appends the ids of text to dst. A part that goes on from an earlier one
// gets no blank before it.
func (t *Tokenizer) Append(dst []int32, text []byte, part Part) []int32 {
	tokens := &t.parsed
	if part.Ordinary {
		tokens = &t.ordinary
	}
	tokens.plain.split(text, func(plain []byte, id int32) {
		if id >= 0 {
			dst = append(dst, id)
			return
		}
		opens := &plain[0] == &text[0]
		begins := part.Begins && opens
		normal := t.normalizer.apply(plain, opens && !part.Begins)
		tokens.normalized.split(normal, func(rest []byte, id int32) {
			switch {
			case id >= 0:
				dst = append(dst, id)
			case t.pieces != nil:
				t.pieces.words(rest, begins && &rest[0] == &normal[0], func(word []byte) { dst = t.appendWord(dst, word) })
			default:
				t.cutter.words(rest, func(word []byte) { dst = t.appendWord(dst, word) })
			}
		})
	})
	return dst
}

func (t *Tokenizer) appendWord(dst []int32, word []byte) []int32 {
	if len(word) == 1 && t.whole == nil && t.pieces == nil {
		return t.appendByte(dst, word[0])
	}
	if ids, ok := t.cache.Get(word); ok {
		return append(dst, ids...)
	}
	start := len(dst)
	dst = t.mergeWord(dst, word)
	t.cache.Put(word, dst[start:])
	return dst
}

func (t *Tokenizer) mergeWord(dst []int32, word []byte) []int32 {
	if id, ok := t.whole[string(word)]; ok {
		return append(dst, id)
	}
	var short [64]int32
	symbols := short[:0]
	if t.pieces != nil {
		return t.rules.Apply(dst, t.pieces.appendSymbols(symbols, word, &t.byteIDs))
	}
	for _, c := range word {
		symbols = t.appendByte(symbols, c)
	}
	return t.rules.Apply(dst, symbols)
}

// appendByte appends the symbol of a byte; one that the vocabulary lacks stands for
// nothing, as in the library.
func (t *Tokenizer) appendByte(dst []int32, b byte) []int32 {
	if id := t.byteIDs[b]; id != None {
		return append(dst, id)
	}
	return dst
}

// Decode joins the tokens of ids, without the blank that encoding put before the
// text.
func (t *Tokenizer) Decode(ids []int32) []byte {
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = append(out, t.Token(id)...)
	}
	if t.Strips() {
		out = bytes.TrimPrefix(out, []byte(" "))
	}
	return out
}

// Token is the text of an id in the midst of others, empty for an id that is none.
func (t *Tokenizer) Token(id int32) []byte {
	if id < 0 || int(id) >= len(t.tokens) {
		return nil
	}
	return t.tokens[id]
}

// Strips says whether decoding takes off a blank that begins a text.
func (t *Tokenizer) Strips() bool { return t.pieces != nil && t.pieces.strip }

// Prefixed says whether encoding puts a blank before a text.
func (t *Tokenizer) Prefixed() bool {
	return t.pieces != nil && (t.normalizer.prefix || t.pieces.prefix != "never")
}

// Size is the number of ids.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// ID finds a token by its text in the file, added ones first.
func (t *Tokenizer) ID(text string) (int32, bool) {
	if id, ok := t.texts[text]; ok {
		return id, true
	}
	id, ok := t.file.Model.Vocab[text]
	return id, ok
}

// File is what the tokenizer was made of; the caller leaves it as it is.
func (t *Tokenizer) File() *File { return t.file }

// Cut returns the first place at or after from where text may be cut in two parts
// whose ids are those of the whole, len(text) for none: a blank between two ASCII
// letters, of the patterns that are known to keep it with what follows, or where no
// merge reaches over, and where no added token does.
func (t *Tokenizer) Cut(text []byte, from int) int {
	cuttable := t.cutter.cuttable || t.pieces != nil
	if !cuttable || !t.parsed.plain.cuttable || !t.parsed.normalized.cuttable || !t.normalizer.cuttable {
		return len(text)
	}
	isLetter := func(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
	for i := max(from, 1); i+1 < len(text); i++ {
		if text[i] == ' ' && isLetter(text[i-1]) && isLetter(text[i+1]) && !t.pieces.reaches(text[i-1]) {
			return i
		}
	}
	return len(text)
}
