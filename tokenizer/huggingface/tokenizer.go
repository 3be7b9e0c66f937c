package huggingface

import (
	"slices"

	"mobilellm/tokenizer/internal/merge"
)

// Tokenizer applies a tokenizer.json. It is safe for concurrent use.
type Tokenizer struct {
	file *File
	size int

	plain      *addedTokens // looked for in the text as it is
	normalized *addedTokens // and in what the normalizer makes of the rest
	texts      map[string]int32
	normalizer normalizer
	words      *preTokenizer
	model      model
	joints     *merge.Joints // where words were cut for the model's sake; otherwise nil
	decoding   *decoding
}

// model makes ids of a word that is not empty.
type model interface {
	append(dst []int32, word []byte) []int32
}

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
	t.plain.split(text, part.Ordinary, func(plain []byte, id int32) {
		if id >= 0 {
			dst = append(dst, id)
			return
		}
		opens := &plain[0] == &text[0]
		n := t.normalizer.apply(normal{text: plain, continued: opens && !part.Begins, opens: opens && part.Begins})
		t.normalized.split(n.text, part.Ordinary, func(rest []byte, id int32) {
			if id >= 0 {
				dst = append(dst, id)
				return
			}
			w := word{rest, n.opens && &rest[0] == &n.text[0]}
			t.words.words(w, func(word []byte) { dst = t.model.append(dst, word) })
		})
	})
	return dst
}

// Decode returns the text of ids as the library does, but for bytes of a byte-level
// tokenizer that are no UTF-8, which stay. An id that is none stands for nothing.
func (t *Tokenizer) Decode(ids []int32) []byte {
	d := t.NewDecoder()
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = d.Append(out, id)
	}
	return d.Flush(out)
}

// NewDecoder returns a decoder at the beginning of a text.
func (t *Tokenizer) NewDecoder() *Decoder { return t.decoding.begin() }

// Token is the text of an id in the midst of others, empty for an id that is none.
func (t *Tokenizer) Token(id int32) []byte { return t.decoding.token(id) }

// InText is what an id adds to a text in its midst: nothing where it is a special token or
// stands for what is unknown.
func (t *Tokenizer) InText(id int32) []byte {
	text := t.Token(id)
	if u := t.file.Model.Unknown; u != nil {
		if unknown, ok := t.file.Model.Vocab[*u]; ok && unknown == id {
			text = nil
		}
	}
	for _, a := range t.file.AddedTokens {
		if a.ID == id && a.Special {
			text = nil
		}
	}
	if text == nil || len(t.decoding.between) == 0 {
		return text
	}
	return append(slices.Clone(t.decoding.between), text...)
}

// Prefixed says whether encoding puts a blank before a text.
func (t *Tokenizer) Prefixed() bool { return t.normalizer.prefix || t.words.prefixed }

// Size is the number of ids.
func (t *Tokenizer) Size() int { return t.size }

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
	if !t.words.cuttable && t.joints == nil || !t.plain.cuttable || !t.normalized.cuttable || !t.normalizer.cuttable {
		return len(text)
	}
	isLetter := func(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
	for i := max(from, 1); i+1 < len(text); i++ {
		if text[i] == ' ' && isLetter(text[i-1]) && isLetter(text[i+1]) && !t.reaches(rune(text[i-1])) {
			return i
		}
	}
	return len(text)
}

// reaches says whether a merge may join a letter and the blank behind it.
func (t *Tokenizer) reaches(letter rune) bool {
	return !t.words.cuttable && (t.joints.Has(letter, '▁') || t.joints.Has(letter, ' '))
}
