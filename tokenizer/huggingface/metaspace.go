package huggingface

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/merge"
)

// metaspace is what is of SentencePiece in a tokenizer.json with byte_fallback,
// such as Llama 2's: words begin at blanks, written as U+2581, if they are cut at
// all, and merging starts from characters, or from the bytes of those that have
// no token.
type metaspace struct {
	replace  bool   // blanks are replaced here; otherwise the normalizer does it
	prefix   string // a blank before a text: "always", "first" (before the whole text only) or "never"
	split    bool   // a blank begins a word whatever the merges say
	strip    bool   // decoding takes a blank off the beginning
	chars    map[rune]int32
	joints   merge.Joints // of what merges make
	byteName [256]string
}

func newMetaspace(p *Stage) (*metaspace, error) {
	m := &metaspace{prefix: "never", chars: make(map[rune]int32)}
	for b := range m.byteName {
		m.byteName[b] = fmt.Sprintf("<0x%02X>", b)
	}
	if p == nil {
		return m, nil
	}
	if p.Type != "Metaspace" || p.Replacement != blankPiece {
		return nil, fmt.Errorf("%w: pre_tokenizer %s %s with model.byte_fallback, want Metaspace %s or none", ErrKind, p.Type, p.Replacement, blankPiece)
	}
	m.replace, m.prefix, m.split = true, p.prependScheme(), unlessFalse(p.Split)
	if m.prefix != "always" && m.prefix != "first" && m.prefix != "never" {
		return nil, fmt.Errorf("%w: pre_tokenizer Metaspace with prepend_scheme %q", ErrKind, m.prefix)
	}
	return m, nil
}

// prependScheme is Metaspace's. Files of before 2024 have add_prefix_space instead;
// both are on where they are left out.
func (s *Stage) prependScheme() string {
	switch {
	case s.PrependScheme != "":
		return s.PrependScheme
	case unlessFalse(s.AddPrefixSpace):
		return "always"
	}
	return "never"
}

// setDecoder accepts the decoders that undo what SentencePiece does.
func (m *metaspace) setDecoder(d *Stage) error {
	refused := fmt.Errorf("%w: decoder is not Replace, ByteFallback, Fuse and perhaps Strip", ErrKind)
	if d == nil || d.Type != "Sequence" || len(d.Decoders) < 3 || len(d.Decoders) > 4 {
		return refused
	}
	for i, part := range d.Decoders {
		ok := false
		switch want := []string{"Replace", "ByteFallback", "Fuse", "Strip"}[i]; {
		case part.Type != want || part.Content == nil && (want == "Replace" || want == "Strip"):
		case want == "Replace":
			ok = part.Pattern != nil && part.Pattern.String != nil && *part.Pattern.String == blankPiece && *part.Content == " "
		case want == "Strip" && part.Start != nil:
			ok = *part.Content == " " && *part.Start <= 1 && (part.Stop == nil || *part.Stop == 0)
			m.strip = *part.Start == 1
		default:
			ok = true
		}
		if !ok {
			return refused
		}
	}
	return nil
}

// reaches says whether a merge may join a letter and the blank behind it.
func (m *metaspace) reaches(letter byte) bool {
	return m != nil && !m.split && m.joints.Has(rune(letter), '▁')
}

// text is what a token decodes to.
func (m *metaspace) text(token string) []byte {
	return bytes.ReplaceAll([]byte(token), []byte(blankPiece), []byte(" "))
}

// words calls yield with parts of text that are merged one by one; begins says
// that a whole text begins with this one.
func (m *metaspace) words(text []byte, begins bool, yield func([]byte)) {
	if m.replace {
		text = bytes.ReplaceAll(text, []byte(" "), []byte(blankPiece))
	}
	if (m.prefix == "always" || m.prefix == "first" && begins) && len(text) > 0 && !bytes.HasPrefix(text, []byte(blankPiece)) {
		text = append([]byte(blankPiece), text...)
	}
	from, previous := 0, rune(-1)
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRune(text[at:])
		if at > 0 && (m.split && r == '▁' || !m.joints.Has(previous, r)) {
			yield(text[from:at])
			from = at
		}
		previous = r
		at += width
	}
	if from < len(text) {
		yield(text[from:])
	}
}

// appendSymbols appends what merging a word starts from.
func (m *metaspace) appendSymbols(dst []int32, word []byte, byteIDs *[256]int32) []int32 {
	for at := 0; at < len(word); {
		r, width := utf8.DecodeRune(word[at:])
		if id, ok := m.chars[r]; ok && (r != utf8.RuneError || width > 1) {
			dst = append(dst, id)
		} else {
			for _, b := range word[at : at+width] {
				dst = append(dst, byteIDs[b])
			}
		}
		at += width
	}
	return dst
}
