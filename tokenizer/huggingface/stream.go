package huggingface

import "unicode/utf8"

// Decoder decodes one id after the other and never gives out half a character. Bytes of
// byte_fallback wait for the end of their row: one that is no UTF-8 makes U+FFFD of each
// of them, as in the library.
type Decoder struct {
	*decoding
	row     []byte // bytes of byte_fallback
	begun   bool   // a token has been given out
	trims   int    // how many characters may still be taken off the beginning
	pending []byte // what may still become a character
}

func (d *decoding) begin() *Decoder { return &Decoder{decoding: d, trims: d.trims} }

// token is the text of an id in the midst of a text.
func (d *decoding) token(id int32) []byte {
	if id < 0 || int(id) >= len(d.texts) {
		return nil
	}
	return changed(d.texts[id], d.after)
}

func changed(text []byte, stages []tokenDecoder) []byte {
	for _, stage := range stages {
		text = stage(text)
	}
	return text
}

// Append appends the text that the next id completes.
func (d *Decoder) Append(dst []byte, id int32) []byte {
	if id < 0 || int(id) >= len(d.texts) || d.texts[id] == nil {
		return dst
	}
	if d.bytes[id] {
		d.row = append(d.row, d.texts[id]...)
		return dst
	}
	dst = d.endRow(dst)
	if !d.begun && d.opening != nil {
		return d.give(dst, d.opening[id])
	}
	return d.give(dst, d.texts[id])
}

// endRow gives out what a row of bytes makes.
func (d *Decoder) endRow(dst []byte) []byte {
	if len(d.row) == 0 {
		return dst
	}
	row := d.row
	d.row = nil
	if utf8.Valid(row) {
		return d.giveMade(dst, row)
	}
	for range row {
		dst = d.giveMade(dst, []byte("\ufffd"))
	}
	return dst
}

// giveMade gives out a text that bytes make.
func (d *Decoder) giveMade(dst, text []byte) []byte {
	if !d.begun && d.opening != nil {
		return d.give(dst, changed(text, d.opener))
	}
	return d.give(dst, changed(text, d.each))
}

// give gives out a token's text.
func (d *Decoder) give(dst, text []byte) []byte {
	if d.begun {
		dst = append(dst, d.between...)
	}
	d.begun = true
	text = changed(text, d.after)
	for d.trims > 0 && len(text) > 0 {
		left := trimmedLeft(text, d.trimmed, 1)
		if d.trims--; len(left) == len(text) {
			d.trims = 0
		}
		text = left
	}
	if len(d.pending) == 0 && utf8.Valid(text) {
		return append(dst, text...)
	}
	d.pending = append(d.pending, text...)
	for len(d.pending) > 0 && utf8.FullRune(d.pending) {
		_, width := utf8.DecodeRune(d.pending)
		dst = append(dst, d.pending[:width]...)
		d.pending = d.pending[width:]
	}
	return dst
}

// Flush appends what waits when the text has come to its end. All parts together are
// [Tokenizer.Decode] of all ids.
func (d *Decoder) Flush(dst []byte) []byte {
	dst = d.endRow(dst)
	dst = append(dst, d.pending...)
	d.pending = nil
	return dst
}
