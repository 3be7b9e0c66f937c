package tokenizer

import "iter"

// Part says how a text, or a part of one, is to be read. The zero value is a part
// from the midst of a text, in which the texts of special tokens stand for them.
type Part struct {
	First, Last bool // the text begins, and ends, with this part
	// Ordinary takes the text of control tokens, such as <|endoftext|>, as text.
	Ordinary bool
}

// Parts cuts a text into parts of about size bytes, where cut says that it may be:
// at the first such place at or after one, len(text) for none. An empty text is one
// empty part.
func Parts(text []byte, size int, cut func(text []byte, from int) int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			end := len(text)
			if end > size+size/2 {
				end = cut(text, size)
			}
			if !yield(text[:end]) {
				return
			}
			if text = text[end:]; len(text) == 0 {
				return
			}
		}
	}
}
