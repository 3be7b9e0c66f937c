package huggingface

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// decoding makes text of ids.
type decoding struct {
	tokens  []token
	texts   [][]byte // by id, in the midst of a text; nil for ids that are none
	opening [][]byte // by id, at the beginning, where that differs from texts; otherwise nil
	bytes   []bool   // by id: texts has the byte of a token like <0x41>
	between []byte   // stands between tokens where there is no decoder

	// What changes the text that bytes in a row make, in the midst and at the beginning.
	each, opener []tokenDecoder

	trimmed rune           // is taken off the beginning of a text,
	trims   int            // so many times at most
	after   []tokenDecoder // what changes single characters of the text as a whole
}

// tokenDecoder changes the text of a token.
type tokenDecoder func([]byte) []byte

// newDecoding reads a decoder for tokens. Its stages work on tokens one by one up to
// Fuse or ByteLevel, and then on the text, which comes piece by piece.
func newDecoding(s *Stage, tokens []token) (*decoding, error) {
	d := &decoding{tokens: tokens, texts: make([][]byte, len(tokens)), bytes: make([]bool, len(tokens))}
	for id, t := range tokens {
		if t.known {
			d.texts[id] = []byte(t.text)
		}
	}
	all := sequence(s, func(s *Stage) []Stage { return s.Decoders })
	if len(all) == 0 {
		d.between = []byte(" ")
	}
	fused := false
	for i := range all {
		var err error
		if fused {
			err = d.addToText(&all[i])
		} else {
			fused, err = d.addToTokens(&all[i])
		}
		if err != nil {
			return nil, fmt.Errorf("decoder %s: %w", all[i].Type, err)
		}
	}
	return d, nil
}

// addToTokens adds a stage that works on tokens; fused says that what follows works on
// the whole text.
func (d *decoding) addToTokens(s *Stage) (fused bool, err error) {
	switch s.Type {
	case "Fuse":
		return true, nil
	case "ByteLevel":
		d.everyToken(levelBytes)
		return true, nil
	case "ByteFallback":
		for id, text := range d.texts {
			if b, ok := byteToken(text); ok {
				d.texts[id], d.bytes[id] = []byte{b}, true
			}
		}
		d.each, d.opener = nil, nil // what came before has changed names of bytes
		return false, nil
	case "Replace":
		r, err := newReplacement(s)
		if err != nil {
			return false, err
		}
		if s.growth() > maxGrowth {
			return false, fmt.Errorf("a text may become more than %d times as long", maxGrowth)
		}
		d.everyToken(func(text []byte) []byte {
			out, _, _ := r.apply(text)
			return out
		})
		return false, nil
	case "Strip":
		content, start, stop, err := s.stripped()
		if err != nil {
			return false, err
		}
		d.everyToken(func(text []byte) []byte { return trimmedRight(trimmedLeft(text, content, start), content, stop) })
		return false, nil
	case "Metaspace":
		return false, d.addMetaspace(s)
	}
	return false, fmt.Errorf("%w: not known", ErrKind)
}

// addMetaspace makes blanks of a character, and nothing in the first token.
func (d *decoding) addMetaspace(s *Stage) error {
	if utf8.RuneCountInString(s.Replacement) != 1 {
		return fmt.Errorf("%w: replacement %q", ErrKind, s.Replacement)
	}
	if d.opening != nil {
		return fmt.Errorf("%w: a second one", ErrKind)
	}
	scheme, err := s.prependScheme()
	if err != nil {
		return err
	}
	to := func(blank string) tokenDecoder {
		return func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(s.Replacement), []byte(blank)) }
	}
	first := " "
	if scheme != "never" {
		first = ""
	}
	d.opening = make([][]byte, len(d.texts))
	for id, text := range d.texts {
		if text != nil && !d.bytes[id] {
			d.texts[id], d.opening[id] = to(" ")(text), to(first)(text)
		}
	}
	d.each, d.opener = append(d.each, to(" ")), append(d.opener, to(first))
	return nil
}

// everyToken applies a stage to every token there is, and later to what bytes make.
func (d *decoding) everyToken(stage tokenDecoder) {
	for _, texts := range [][][]byte{d.texts, d.opening} {
		for id, text := range texts {
			if text != nil && !d.bytes[id] {
				texts[id] = append([]byte{}, stage(text)...)
			}
		}
	}
	d.each, d.opener = append(d.each, stage), append(d.opener, stage)
}

// addToText adds a stage that works on the whole text: only what can be told from a
// character, or at the beginning, before the end is known.
func (d *decoding) addToText(s *Stage) error {
	switch s.Type {
	case "Fuse":
		return nil
	case "Strip":
		content, start, stop, err := s.stripped()
		if err != nil {
			return err
		}
		if stop > 0 || start > 0 && (d.trims > 0 || len(d.after) > 0) {
			return fmt.Errorf("%w: of the end of a text, or behind another stage of a text", ErrKind)
		}
		if start > 0 {
			d.trimmed, d.trims = content, start
		}
		return nil
	case "Replace":
		r, err := newReplacement(s)
		if err != nil {
			return err
		}
		if s.Pattern.String == nil || utf8.RuneCountInString(*s.Pattern.String) != 1 || s.growth() > maxGrowth || d.trims > 0 {
			return fmt.Errorf("%w: of more than a character in a text, or behind Strip", ErrKind)
		}
		d.after = append(d.after, func(text []byte) []byte {
			out, _, _ := r.apply(text)
			return out
		})
		return nil
	}
	return fmt.Errorf("%w: not known behind one that joins the tokens", ErrKind)
}

// stripped reads the options of Strip.
func (s *Stage) stripped() (content rune, start, stop int, err error) {
	if s.Content == nil || utf8.RuneCountInString(*s.Content) != 1 {
		return 0, 0, 0, fmt.Errorf("%w: without a character as content", ErrKind)
	}
	content, _ = utf8.DecodeRuneInString(*s.Content)
	if s.Start != nil {
		start = *s.Start
	}
	if s.Stop != nil {
		stop = *s.Stop
	}
	return content, start, stop, nil
}

func trimmedLeft(text []byte, content rune, most int) []byte {
	for range most {
		r, width := utf8.DecodeRune(text)
		if width == 0 || r != content {
			break
		}
		text = text[width:]
	}
	return text
}

func trimmedRight(text []byte, content rune, most int) []byte {
	for range most {
		r, width := utf8.DecodeLastRune(text)
		if width == 0 || r != content {
			break
		}
		text = text[:len(text)-width]
	}
	return text
}

// levelBytes are the bytes of a token in the byte-level alphabet; one with another
// character, such as an added token, stands for itself.
func levelBytes(text []byte) []byte {
	if token, err := Unprintable(string(text)); err == nil {
		return token
	}
	return text
}

// byteToken reads a token like <0x41>.
func byteToken(text []byte) (byte, bool) {
	if len(text) != 6 || string(text[:3]) != "<0x" || text[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(string(text[3:5]), 16, 8)
	return byte(b), err == nil
}
