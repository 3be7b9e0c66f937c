package tokenizer

import "unicode/utf8"

// Decoder decodes ids one after the other, as they are drawn, and never gives
// out half a character.
type Decoder interface {
	// Append appends the text that the next id completes.
	Append(dst []byte, id int32) []byte
	// Flush appends what waits when the text has come to its end. All parts
	// together are the tokenizer's Decode of all ids.
	Flush(dst []byte) []byte
}

// byteDecoder holds back bytes that may still become a character.
type byteDecoder struct {
	token   func(id int32) []byte
	pending []byte
}

// Append implements Decoder.
func (d *byteDecoder) Append(dst []byte, id int32) []byte {
	d.pending = append(d.pending, d.token(id)...)
	for len(d.pending) > 0 && utf8.FullRune(d.pending) {
		_, width := utf8.DecodeRune(d.pending)
		dst = append(dst, d.pending[:width]...)
		d.pending = d.pending[width:]
	}
	return dst
}

// Flush implements Decoder.
func (d *byteDecoder) Flush(dst []byte) []byte {
	dst = append(dst, d.pending...)
	d.pending = nil
	return dst
}
