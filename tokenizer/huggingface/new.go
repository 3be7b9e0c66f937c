package huggingface

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/merge"
)

// New makes a tokenizer of a file. A part that it cannot apply is an error.
func New(f *File) (*Tokenizer, error) {
	if err := f.unsupported(); err != nil {
		return nil, err
	}
	t := &Tokenizer{file: f, cache: merge.NewCache()}
	var err error
	if f.Model.ByteFallback {
		if t.pieces, err = newMetaspace(f.PreTokenizer); err == nil {
			err = t.pieces.setDecoder(f.Decoder)
		}
	} else {
		t.cutter, err = newWordCutter(f.PreTokenizer)
	}
	if err != nil {
		return nil, err
	}
	if err := t.fill(f); err != nil {
		return nil, err
	}
	if t.normalizer, err = newNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	return t, t.setAdded(f.AddedTokens)
}

func (f *File) unsupported() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrKind, fmt.Sprintf(format, args...))
	}
	m := f.Model
	switch {
	case m.Type != BPE:
		return bad("model.type %q, want %q", m.Type, BPE)
	case m.Dropout != nil && *m.Dropout != 0:
		return bad("model.dropout %g", *m.Dropout)
	case m.Prefix != nil && *m.Prefix != "":
		return bad("model.continuing_subword_prefix %q", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return bad("model.end_of_word_suffix %q", *m.Suffix)
	case m.ByteFallback && m.IgnoreMerges:
		return bad("model.byte_fallback with model.ignore_merges")
	case m.ByteFallback:
		return nil
	case f.Decoder == nil || f.Decoder.Type != "ByteLevel":
		return bad("decoder is not ByteLevel")
	}
	return nil
}

// maxID bounds the ids of a file, which size tables.
const maxID = 1 << 24

// fill makes the tables of vocabulary and merges.
func (t *Tokenizer) fill(f *File) error {
	size := 0
	for text, id := range f.Model.Vocab {
		if id < 0 || id > maxID {
			return fmt.Errorf("token %q has id %d", text, id)
		}
		size = max(size, int(id)+1)
	}
	for _, a := range f.AddedTokens {
		if a.ID < 0 || a.ID > maxID {
			return fmt.Errorf("added token %q has id %d", a.Content, a.ID)
		}
		size = max(size, int(a.ID)+1)
	}
	t.tokens = make([][]byte, size)
	for i := range t.byteIDs {
		t.byteIDs[i] = None
	}
	if t.pieces != nil {
		if err := t.setPieces(f.Model.Vocab); err != nil {
			return err
		}
	} else if err := t.setBytes(f); err != nil {
		return err
	}
	for b, id := range t.byteIDs {
		if id == None && t.pieces != nil {
			return fmt.Errorf("%w: byte %#02x has no token", ErrKind, b)
		}
	}
	rules := make([]merge.Rule, len(f.Model.Merges))
	for rank, p := range f.Model.Merges {
		var ids [3]int32
		for i, text := range [3]string{p[0], p[1], p[0] + p[1]} {
			id, ok := f.Model.Vocab[text]
			if !ok {
				return fmt.Errorf("merge %d: token %q is not in the vocabulary", rank, text)
			}
			ids[i] = id
		}
		if t.pieces != nil {
			if slices.Contains(t.byteIDs[:], ids[0]) || slices.Contains(t.byteIDs[:], ids[1]) {
				return fmt.Errorf("%w: merge %d joins a byte's token", ErrKind, rank)
			}
			t.pieces.joints.Add(p[0] + p[1])
		}
		rules[rank] = merge.Rule{Pair: merge.Key(ids[0], ids[1]), Rank: int32(rank), Joined: ids[2]}
	}
	slices.Reverse(rules) // of two merges of one pair the library keeps the last
	t.rules = merge.NewTable(rules)
	return nil
}

// setBytes fills the tables of a vocabulary in the byte-level alphabet.
func (t *Tokenizer) setBytes(f *File) error {
	special := make(map[string]bool) // words never are special tokens, whatever they look like
	for _, a := range f.AddedTokens {
		special[a.Content] = a.Special
	}
	if f.Model.IgnoreMerges {
		t.whole = make(map[string]int32, len(f.Model.Vocab))
	}
	for text, id := range f.Model.Vocab {
		token, err := Unprintable(text)
		if err != nil { // such as an added token that the vocabulary repeats
			token = []byte(text)
		} else if len(token) == 1 {
			t.byteIDs[token[0]] = id
		}
		if err := t.setToken(id, token); err != nil {
			return err
		}
		if t.whole != nil && err == nil && !special[text] {
			t.whole[string(token)] = id
		}
	}
	return nil
}

// setPieces fills them from a vocabulary of SentencePiece's texts.
func (t *Tokenizer) setPieces(vocab Vocab) error {
	for text, id := range vocab {
		if err := t.setToken(id, t.pieces.text(text)); err != nil {
			return err
		}
		if r, width := utf8.DecodeRuneInString(text); width == len(text) {
			t.pieces.chars[r] = id
		}
	}
	for b, name := range t.pieces.byteName {
		if id, ok := vocab[name]; ok {
			t.byteIDs[b], t.tokens[id] = id, []byte{byte(b)}
		}
	}
	return nil
}

func (t *Tokenizer) setToken(id int32, token []byte) error {
	if t.tokens[id] != nil {
		return fmt.Errorf("tokens %q and %q share id %d", t.tokens[id], token, id)
	}
	t.tokens[id] = token
	return nil
}

// tokenBytesOf is what an added token decodes to.
func (t *Tokenizer) tokenBytesOf(text string) []byte {
	if t.pieces != nil {
		return t.pieces.text(text)
	}
	if token, err := Unprintable(text); err == nil {
		return token
	}
	return []byte(text)
}

// setAdded sorts the added tokens into those that are looked for in the text and
// those that are looked for, normalized themselves, in normalized text.
func (t *Tokenizer) setAdded(tokens []AddedToken) error {
	t.texts = make(map[string]int32, len(tokens))
	var all, ordinary addedLists
	for _, a := range tokens {
		t.texts[a.Content] = a.ID
		if a.Normalized {
			a.Content = string(t.normalizer.apply([]byte(a.Content), false))
		}
		t.tokens[a.ID] = t.tokenBytesOf(a.Content) // normalized, as the library has it
		all.add(a)
		if !a.Special {
			ordinary.add(a)
		}
	}
	var err1, err2 error
	t.parsed, err1 = all.tables()
	t.ordinary, err2 = ordinary.tables()
	return errors.Join(err1, err2)
}

// addedLists are added tokens, sorted by where they are looked for.
type addedLists struct{ plain, normalized []AddedToken }

func (l *addedLists) add(a AddedToken) {
	if a.Normalized {
		l.normalized = append(l.normalized, a)
	} else {
		l.plain = append(l.plain, a)
	}
}

func (l *addedLists) tables() (a added, err error) {
	if a.plain, err = newAddedTokens(l.plain); err != nil {
		return a, err
	}
	a.normalized, err = newAddedTokens(l.normalized)
	return a, err
}
