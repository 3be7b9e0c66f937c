package huggingface

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// alphabet is what the characters of a word stand for before merging.
type alphabet struct {
	byteIDs *[256]int32 // words are bytes, of which each has a token; otherwise nil

	known   map[rune]int32 // characters with a token
	bytes   *[256]rune     // words are bytes: their characters; otherwise nil
	byByte  *[256]int32    // byte_fallback: the tokens like <0x41>, [None] where missing
	unknown int32          // of characters without a token; [None] lets them vanish
	fuse    bool           // of several in a row one is left
}

// newAlphabet reads what a model has of single characters.
func newAlphabet(m *Model, bytes bool) (alphabet, error) {
	a := alphabet{known: make(map[rune]int32), unknown: None, fuse: m.FuseUnknown}
	if bytes {
		var ids [256]int32
		complete := true
		for b, r := range byteToRune {
			id, ok := m.Vocab[string(r)]
			ids[b] = id
			complete = complete && ok
		}
		if a.bytes = &byteToRune; complete {
			a.byteIDs = &ids
			return a, nil
		}
	}
	for text, id := range m.Vocab {
		if r, width := utf8.DecodeRuneInString(text); width == len(text) && width > 0 {
			a.known[r] = id
		}
	}
	if m.ByteFallback {
		a.byByte = bytesOf(m.Vocab)
	}
	if m.Unknown != nil {
		id, ok := m.Vocab[*m.Unknown]
		if !ok && !a.complete() {
			return a, fmt.Errorf("%w: model.unk_token %q is not in model.vocab, where characters are missing", ErrKind, *m.Unknown)
		}
		if ok {
			a.unknown = id
		}
	}
	return a, nil
}

// byteName is the token of a byte for characters that have none.
func byteName(b int) string { return fmt.Sprintf("<0x%02X>", b) }

// bytesOf are the tokens of bytes, [None] where missing.
func bytesOf(vocab Vocab) *[256]int32 {
	var ids [256]int32
	for b := range ids {
		ids[b] = None
		if id, ok := vocab[byteName(b)]; ok {
			ids[b] = id
		}
	}
	return &ids
}

// complete says whether every character has a token or bytes that have.
func (a *alphabet) complete() bool {
	return a.byteIDs != nil || a.byByte != nil && !slices.Contains(a.byByte[:], None)
}

// appendSymbols appends what merging a word starts from. Where unknowns fuse, the one
// that is left comes before the next character that has a token of its own, behind those
// of bytes, as in the library.
func (a *alphabet) appendSymbols(dst []int32, word []byte) []int32 {
	var encoded [utf8.UTFMax]byte
	pending := false
	for at := 0; at < len(word); {
		r, width := utf8.DecodeRune(word[at:])
		char := word[at : at+width]
		if a.bytes != nil {
			r, width = a.bytes[word[at]], 1
			char = utf8.AppendRune(encoded[:0], r)
		}
		at += width
		id, known := a.known[r]
		if known && (r != utf8.RuneError || len(char) > 1) { // broken UTF-8 is a byte
			if pending {
				dst, pending = append(dst, a.unknown), false
			}
			dst = append(dst, id)
			continue
		}
		if ids, ok := appendBytes(dst, char, a.byByte); ok {
			dst = ids
			continue
		}
		if a.unknown != None {
			if pending && !a.fuse {
				dst = append(dst, a.unknown)
			}
			pending = true
		}
	}
	if pending {
		dst = append(dst, a.unknown)
	}
	return dst
}

// appendBytes appends the tokens of a character's bytes, if each has one.
func appendBytes(dst []int32, char []byte, byByte *[256]int32) ([]int32, bool) {
	if byByte == nil {
		return dst, false
	}
	n := len(dst)
	for _, b := range char {
		id := byByte[b]
		if id == None {
			return dst[:n], false
		}
		dst = append(dst, id)
	}
	return dst, true
}
