package infer

import (
	"io"
	"strings"
	"unicode/utf8"

	"mobilellm/tokenizer"
)

// Text turns tokens into text as they come, up to the first of some stop strings. A
// character may be spread over several tokens, so what is not whole yet waits, and so
// does what may be the beginning of a stop string; bytes that are no UTF-8 become
// U+FFFD. Control tokens, such as <|im_start|>, are no text.
type Text struct {
	dec     tokenizer.Decoder
	control map[int32]bool
	stops   []string
	waiting string // the end of the text, which may be a stop string's beginning
	stopped bool
}

// NewText is the text of the tokens that follow those before, which are not part of it: a
// tokenizer may treat a text's beginning differently.
func (m *Model) NewText(stops []string, before ...int32) *Text {
	return newText(m.Tokenizer, m.control(), stops, before...)
}

// controls are the tokens of a vocabulary that stand for no text.
func controls(tok *tokenizer.Tokenizer) map[int32]bool {
	v, err := tok.Vocabulary()
	if err != nil {
		return nil // of a kind that other formats do not have, which says nothing of types
	}
	c := map[int32]bool{}
	for id, t := range v.Tokens {
		if t.Type == tokenizer.Control {
			c[int32(id)] = true
		}
	}
	return c
}

func newText(tok *tokenizer.Tokenizer, control map[int32]bool, stops []string, before ...int32) *Text {
	t := &Text{dec: tok.NewDecoder(), control: control, stops: stops}
	for _, id := range before {
		t.dec.Append(nil, id)
	}
	return t
}

// Add takes the next token and returns what is certain of the text. It reports false
// when a stop string is there, which is not part of the text.
func (t *Text) Add(id int32) (text string, more bool) {
	if t.control[id] {
		return "", !t.stopped
	}
	return t.take(t.dec.Append(nil, id))
}

// End returns what waits.
func (t *Text) End() string {
	text, more := t.take(t.dec.Flush(nil))
	if more {
		text, t.waiting = text+t.waiting, ""
	}
	return text
}

func (t *Text) take(raw []byte) (string, bool) {
	if t.stopped {
		return "", false
	}
	text := t.waiting + string(replaced(raw))
	t.waiting = ""
	first := -1
	for _, s := range t.stops {
		if i := strings.Index(text, s); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		t.stopped = true
		return text[:first], false
	}
	keep := 0
	for _, s := range t.stops {
		for n := min(len(s)-1, len(text)); n > keep; n-- {
			if strings.HasPrefix(s, text[len(text)-n:]) {
				keep = n
			}
		}
	}
	t.waiting = text[len(text)-keep:]
	return text[:len(text)-keep], true
}

// replaced is text with U+FFFD for each byte that is no UTF-8.
func replaced(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	var valid []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		valid = utf8.AppendRune(valid, r)
		text = text[n:]
	}
	return valid
}

// Stream writes tokens as text, as [Text] makes it.
type Stream struct {
	w    io.Writer
	text *Text
	err  error
}

// NewStream writes the text of the tokens to w that follow those before.
func (m *Model) NewStream(w io.Writer, before ...int32) *Stream {
	return &Stream{w: w, text: m.NewText(nil, before...)}
}

// Token takes the next token. An error of the writer is kept for Close.
func (s *Stream) Token(id int32) {
	text, _ := s.text.Add(id)
	s.write(text)
}

// Close writes what waits and returns the first error of the writer.
func (s *Stream) Close() error {
	s.write(s.text.End())
	return s.err
}

func (s *Stream) write(text string) {
	if text != "" && s.err == nil {
		_, s.err = io.WriteString(s.w, text)
	}
}
