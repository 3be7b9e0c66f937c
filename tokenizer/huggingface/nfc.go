package huggingface

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longestMarks is up to how many combining marks in a row package norm composes
// as Unicode says; between more it puts a joiner, U+034F.
const longestMarks = 30

// nfc returns text in normalization form C (Unicode Standard Annex 15), itself
// where it is so already. Bytes that are not UTF-8 stay.
func nfc(text []byte) []byte {
	if norm.NFC.QuickSpan(text) == len(text) {
		return text
	}
	if !manyMarks(text) {
		return norm.NFC.Bytes(text)
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		n := 0
		for n < len(text) {
			r, width := utf8.DecodeRune(text[n:])
			if r == utf8.RuneError && width == 1 {
				break
			}
			n += width
		}
		out = appendComposed(out, text[:n])
		if n < len(text) {
			out = append(out, text[n])
			n++
		}
		text = text[n:]
	}
	return out
}

// manyMarks says whether text has more marks in a row than package norm takes.
func manyMarks(text []byte) bool {
	count := 0
	for at := 0; at < len(text); {
		p := norm.NFC.Properties(text[at:])
		at += max(p.Size(), 1)
		if count++; p.CCC() == 0 {
			count = 0
		}
		if count >= longestMarks/3 { // a character may decompose to three marks
			return true
		}
	}
	return false
}

// combining is a character with its canonical combining class.
type combining struct {
	r     rune
	class uint8
}

// appendComposed is the algorithm of the annex, step by step: decompose, order
// the marks behind each starter, compose.
func appendComposed(dst, text []byte) []byte {
	var all []combining
	for _, r := range string(text) {
		for _, d := range norm.NFD.String(string(r)) {
			all = append(all, combining{d, norm.NFD.PropertiesString(string(d)).CCC()})
		}
	}
	for i := 0; i < len(all); {
		end := i + 1
		if all[i].class != 0 {
			for end < len(all) && all[end].class != 0 {
				end++
			}
			slices.SortStableFunc(all[i:end], func(a, b combining) int { return cmp.Compare(a.class, b.class) })
		}
		i = end
	}
	out := all[:0]
	starter := -1
	for _, m := range all {
		if starter >= 0 {
			last := out[len(out)-1]
			blocked := len(out)-1 > starter && (last.class == 0 || last.class >= m.class)
			if joined, ok := compose(out[starter].r, m.r); ok && !blocked {
				out[starter].r = joined
				continue
			}
		}
		out = append(out, m)
		if m.class == 0 {
			starter = len(out) - 1
		}
	}
	for _, m := range out {
		dst = utf8.AppendRune(dst, m.r)
	}
	return dst
}

// compose is the character that two make, if there is one.
func compose(a, b rune) (rune, bool) {
	joined := norm.NFC.String(string(a) + string(b))
	r, width := utf8.DecodeRuneInString(joined)
	return r, width == len(joined)
}
