package sentencepiece

import (
	"strings"
	"unicode/utf8"
)

// Decode returns the text of ids as SentencePiece's decoder gives it: the
// dummy prefix is taken away, control pieces stand for nothing, byte pieces
// that make no UTF-8 are U+FFFD. An id outside the vocabulary stands for
// nothing.
func (m *Model) Decode(ids []int32) []byte {
	d := m.NewDecoder()
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = d.Append(out, id)
	}
	out = d.Flush(out)
	if m.denormalizer != nil {
		return m.denormalizer.appendNormal(nil, out, whole)
	}
	return out
}

// Decoder decodes one id after the other and never gives out half a
// character: the bytes of byte pieces wait until they make one. A model's
// denormalizer, which looks at the whole text, is left to [Model.Decode].
type Decoder struct {
	model   *Model
	pending []byte // of byte pieces
	begun   bool   // something was given out, or the dummy prefix was taken away
	held    bool   // the last piece held the dummy prefix
}

// NewDecoder returns a decoder at the beginning of a text.
func (m *Model) NewDecoder() *Decoder { return &Decoder{model: m} }

// Append appends the text that the next id completes.
func (d *Decoder) Append(dst []byte, id int32) []byte {
	if id < 0 || int(id) >= d.model.Size() {
		return dst
	}
	p := d.model.spec.pieces[id]
	if p.Type == Byte {
		b, _ := ByteOf(p.Text) // checked when the model was read
		d.pending = append(d.pending, b)
		return d.whole(dst)
	}
	dst = d.Flush(dst)
	start := len(dst)
	if d.held {
		d.begun = true
	}
	switch p.Type {
	case Control:
		d.held = false
		return dst
	case Unknown:
		d.held = false
		dst = append(dst, d.model.spec.unkSurface...)
	default:
		text := p.Text
		n := d.model.spec.normalizer
		d.held = false
		if !d.begun && (n.AddDummyPrefix || n.RemoveExtraBlanks) {
			var cut bool
			text, cut = strings.CutPrefix(text, blank)
			d.held = cut && !n.RemoveExtraBlanks
		}
		dst = append(dst, strings.ReplaceAll(text, blank, " ")...)
	}
	d.begun = d.begun || len(dst) > start
	return dst
}

// whole gives out the characters that the pending bytes make.
func (d *Decoder) whole(dst []byte) []byte {
	for len(d.pending) > 0 && utf8.FullRune(d.pending) {
		r, width := utf8.DecodeRune(d.pending)
		if r == utf8.RuneError && width == 1 {
			dst = append(dst, replacementCharacter...)
		} else {
			dst = append(dst, d.pending[:width]...)
		}
		d.pending = d.pending[width:]
		d.begun = true
	}
	return dst
}

// Flush appends what waits: the text has come to its end.
func (d *Decoder) Flush(dst []byte) []byte {
	for range d.pending {
		dst = append(dst, replacementCharacter...)
		d.begun = true
	}
	d.pending = d.pending[:0]
	return dst
}
