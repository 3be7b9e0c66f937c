package huggingface

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"mobilellm/tokenizer/internal/chars"
)

// normalForm is a normalization form (Unicode Standard Annex 15) as the library has it,
// whose tables are those of Unicode 9: characters that decompose, compose or are marks
// only since then stand for themselves, and nothing joins over them.
type normalForm struct {
	form      norm.Form
	decompose norm.Form // the same form without composition
	compose   bool
}

var normalForms = map[string]normalForm{
	"NFC":  {norm.NFC, norm.NFD, true},
	"NFD":  {norm.NFD, norm.NFD, false},
	"NFKC": {norm.NFKC, norm.NFKD, true},
	"NFKD": {norm.NFKD, norm.NFKD, false},
}

// apply returns text in the form, itself where it is so already. Bytes that are not
// UTF-8 stay.
func (f normalForm) apply(text []byte) []byte {
	if f.form.QuickSpan(text) == len(text) {
		return text
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	from := 0
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRune(text[at:])
		if r >= utf8.RuneSelf && (r == utf8.RuneError && width == 1 || chars.Newer().Has(r)) {
			out = f.append(out, text[from:at])
			out = append(out, text[at:at+width]...)
			from = at + width
		}
		at += width
	}
	return f.append(out, text[from:])
}

func (f normalForm) append(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	if mistaken(text) {
		return f.appendPlain(dst, text)
	}
	return append(dst, f.form.Bytes(text)...) // Form.Append would reorder the end of dst, too
}

// longestMarks is up to how many combining marks in a row package norm treats as Unicode
// says; between more it puts a joiner, U+034F.
const longestMarks = 30

// mistaken says whether text has what package norm treats otherwise than Unicode says:
// more marks in a row than it takes, or a character above U+FFFF with something behind
// that might compose with it, of which it looks at the lower 16 bits only.
func mistaken(text []byte) bool {
	count, high := 0, false
	for at := 0; at < len(text); {
		p := norm.NFKC.Properties(text[at:])
		if high && !p.BoundaryBefore() {
			return true
		}
		if count++; p.CCC() == 0 {
			count, high = 0, p.Size() == utf8.UTFMax
		}
		if count >= longestMarks/3 { // a character may decompose to three marks
			return true
		}
		at += max(p.Size(), 1)
	}
	return false
}

// combining is a character with its canonical combining class.
type combining struct {
	r     rune
	class uint8
}

// appendPlain is the algorithm of the annex, step by step: decompose, order the marks
// behind each starter, compose.
func (f normalForm) appendPlain(dst, text []byte) []byte {
	var all []combining
	for _, r := range string(text) {
		for _, d := range f.decompose.String(string(r)) {
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
	if f.compose {
		all = composed(all)
	}
	for _, m := range all {
		dst = utf8.AppendRune(dst, m.r)
	}
	return dst
}

// composed joins starters with what stands behind them. It overwrites all.
func composed(all []combining) []combining {
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
	return out
}

// compose is the character that two make, if there is one.
func compose(a, b rune) (rune, bool) {
	both := string(a) + string(b)
	joined := norm.NFC.String(both)
	r, width := utf8.DecodeRuneInString(joined)
	return r, width == len(joined) && norm.NFD.String(joined) == norm.NFD.String(both)
}
