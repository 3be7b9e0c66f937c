package huggingface

import (
	"fmt"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// normal is a text on its way through a normalizer.
type normal struct {
	text []byte
	// continued says that the text goes on from an earlier part, so has no beginning.
	continued bool
	// opens says that its first character comes of the first of the whole text: before it
	// Metaspace puts a blank. What is taken off the beginning takes that with it.
	opens bool
}

// normalStep changes text before it is cut in words.
type normalStep func(n normal) normal

// normalizer changes what stands between added tokens.
type normalizer struct {
	steps    []normalStep
	growth   int  // how many times as long a text can become
	inserted bool // a Replace of nothing may have put something before the text
	prefix   bool // it puts a blank before the text
	cuttable bool // it does the same to parts cut at a blank between letters
}

// maxGrowth bounds what normalizers may make of a text.
const maxGrowth = 256

// errInserted is of what goes through a text character by character when a Replace of
// nothing may have put something before it: there the library writes that twice, or fails.
var errInserted = fmt.Errorf("%w: behind a Replace of what may be empty", ErrKind)

func newNormalizer(s *Stage) (normalizer, error) {
	n := normalizer{cuttable: true, growth: 1}
	if s == nil {
		return n, nil
	}
	err := n.add(s)
	return n, err
}

func (n *normalizer) add(s *Stage) error {
	if s.Type == "Sequence" {
		for i := range s.Normalizers {
			if err := n.add(&s.Normalizers[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if n.inserted && s.Type != "Replace" && s.Type != "Prepend" {
		return fmt.Errorf("normalizer %s: %w", s.Type, errInserted)
	}
	step, growth, err := n.step(s)
	if err != nil {
		return fmt.Errorf("normalizer %s: %w", s.Type, err)
	}
	if n.growth *= growth; n.growth > maxGrowth {
		return fmt.Errorf("normalizer %s: a text may become more than %d times as long", s.Type, maxGrowth)
	}
	n.steps = append(n.steps, step)
	return nil
}

// step is what a stage does, and how many times as long a text can become by it.
func (n *normalizer) step(s *Stage) (step normalStep, growth int, err error) {
	if form, ok := normalForms[s.Type]; ok {
		growth = 3 // U+0390 has 2 bytes and becomes 6
		if s.Type == "NFKC" || s.Type == "NFKD" {
			growth = 11 // U+FDFA has 3 and becomes 33
		}
		return eachText(form.apply), growth, nil
	}
	switch s.Type {
	case "Lowercase":
		return eachText(lowercase), 2, nil
	case "StripAccents":
		n.cuttable = false
		return stripAccents, 1, nil
	case "Nmt":
		n.cuttable = false
		return eachText(nmt), 1, nil
	case "ByteLevel":
		n.cuttable = false
		return eachText(func(text []byte) []byte { return []byte(Printable(text)) }), 2, nil
	case "Strip":
		n.cuttable = false
		return strip(unlessFalse(s.StripLeft), unlessFalse(s.StripRight)), 1, nil
	case "Prepend":
		n.prefix = n.prefix || s.Prepend == blankPiece
		n.cuttable = n.cuttable && s.Prepend == blankPiece
		return prepend(s.Prepend), 1 + len(s.Prepend), nil
	case "Replace":
		r, err := newReplacement(s)
		if err != nil {
			return nil, 0, err
		}
		n.cuttable = n.cuttable && s.blankToPiece()
		n.inserted = n.inserted || s.Pattern.shortest() == 0 && r.content != ""
		return r.step, s.growth(), nil
	case "Precompiled":
		n.cuttable = false
		return precompiled(s.CharsMap)
	}
	return nil, 0, fmt.Errorf("%w: not known", ErrKind)
}

// blankToPiece says whether a Replace writes blanks as SentencePiece does.
func (s *Stage) blankToPiece() bool {
	return s.Type == "Replace" && s.Pattern != nil && s.Pattern.String != nil && *s.Pattern.String == " " && s.Content != nil && *s.Content == blankPiece
}

// eachText is a step that takes nothing off the beginning of a text.
func eachText(apply func([]byte) []byte) normalStep {
	return func(n normal) normal {
		n.text = apply(n.text)
		return n
	}
}

func (n *normalizer) apply(t normal) normal {
	for _, step := range n.steps {
		t = step(t)
	}
	return t
}

func prepend(what string) normalStep {
	return func(n normal) normal {
		if !n.continued && len(n.text) > 0 {
			n.text = append([]byte(what), n.text...)
		}
		return n
	}
}

func strip(left, right bool) normalStep {
	return func(n normal) normal {
		before := len(n.text)
		if left {
			n.text = trimLeft(n.text)
		}
		n.opens = n.opens && len(n.text) == before
		if right {
			n.text = trimRight(n.text)
		}
		return n
	}
}

// step is a Replace. Content comes of the last character that it stands for.
func (r replacement) step(n normal) normal {
	before := n.text
	text, start, end := r.apply(n.text)
	n.text = text
	if start == 0 && end > 0 {
		_, first := utf8.DecodeRune(before)
		n.opens = n.opens && end == first && r.content != ""
	}
	return n
}

func lowercase(text []byte) []byte {
	out := make([]byte, 0, len(text)+2)
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRune(text[at:])
		switch {
		case r == utf8.RuneError && width == 1:
			out = append(out, text[at])
		case r == chars.DottedI:
			out = append(out, chars.DottedILower...)
		default:
			out = utf8.AppendRune(out, chars.Lower(r))
		}
		at += width
	}
	return out
}

// stripAccents takes away the marks that Unicode 9 knows. It decomposes nothing.
func stripAccents(n normal) normal {
	out := make([]byte, 0, len(n.text))
	for at := 0; at < len(n.text); {
		r, width := utf8.DecodeRune(n.text[at:])
		if r < utf8.RuneSelf || !chars.Accent().Has(r) {
			out = append(out, n.text[at:at+width]...)
		} else if at == 0 {
			n.opens = false
		}
		at += width
	}
	n.text = out
	return n
}

// nmt takes control characters away and makes a blank of others, and of the marks that
// stand for blanks or for nothing.
func nmt(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRune(text[at:])
		switch {
		case r == utf8.RuneError && width == 1:
			out = append(out, text[at])
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, r >= 0x200b && r <= 0x200f,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			out = append(out, ' ')
		case r >= 1 && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
		default:
			out = append(out, text[at:at+width]...)
		}
		at += width
	}
	return out
}
