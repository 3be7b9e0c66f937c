package infer

import (
	"io"
	"unicode/utf8"

	"mobilellm/data"
)

// Stream writes tokens as text. A character may be spread over several tokens, so
// what is not whole yet waits; bytes that are no UTF-8 are written as U+FFFD.
type Stream struct {
	w       io.Writer
	tok     data.Tokenizer
	waiting []byte
	err     error
}

// NewStream writes the text of tok's tokens to w.
func NewStream(w io.Writer, tok data.Tokenizer) *Stream { return &Stream{w: w, tok: tok} }

// Token takes the next token. An error of the writer is kept for Close.
func (s *Stream) Token(id int32) {
	s.waiting = append(s.waiting, s.tok.Decode([]int32{id})...)
	s.flush(false)
}

// Close writes what waits and returns the first error of the writer.
func (s *Stream) Close() error {
	s.flush(true)
	return s.err
}

func (s *Stream) flush(all bool) {
	var text []byte
	for len(s.waiting) > 0 && (all || utf8.FullRune(s.waiting)) {
		r, n := utf8.DecodeRune(s.waiting)
		text = utf8.AppendRune(text, r)
		s.waiting = s.waiting[n:]
	}
	if len(text) > 0 && s.err == nil {
		_, s.err = s.w.Write(text)
	}
}
