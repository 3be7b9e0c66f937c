package infer

import (
	"io"
	"unicode/utf8"

	"mobilellm/tokenizer"
)

// Stream writes tokens as text. A character may be spread over several tokens, so
// what is not whole yet waits; bytes that are no UTF-8 are written as U+FFFD.
type Stream struct {
	w   io.Writer
	dec tokenizer.Decoder
	err error
}

// NewStream writes the text of tok's tokens to w. The text goes on from the tokens
// before, which are not written: a tokenizer may treat a text's beginning
// differently.
func NewStream(w io.Writer, tok *tokenizer.Tokenizer, before ...int32) *Stream {
	s := &Stream{w: w, dec: tok.NewDecoder()}
	for _, id := range before {
		s.dec.Append(nil, id)
	}
	return s
}

// Token takes the next token. An error of the writer is kept for Close.
func (s *Stream) Token(id int32) { s.write(s.dec.Append(nil, id)) }

// Close writes what waits and returns the first error of the writer.
func (s *Stream) Close() error {
	s.write(s.dec.Flush(nil))
	return s.err
}

func (s *Stream) write(text []byte) {
	var valid []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		valid = utf8.AppendRune(valid, r)
		text = text[n:]
	}
	if len(valid) > 0 && s.err == nil {
		_, s.err = s.w.Write(valid)
	}
}
