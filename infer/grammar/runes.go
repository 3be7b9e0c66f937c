package grammar

import "unicode/utf8"

// quoting is what a text stands in, which says how its characters are written.
type quoting int

const (
	inJSON quoting = iota // a string of JSON
	inCall                // a string of an API's call, which is itself in a string of JSON
)

// runes is one character of the ranges, each a lowest and a highest, as a text in quotes
// has it.
func (b *builder) runes(ranges []rune, q quoting, next int32) int32 {
	var to []int32
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for lo <= hi {
			if lo < 0x20 || lo == '"' || lo == '\\' {
				to = append(to, b.literal(quoted(string(lo), q), next))
				lo++
				continue
			}
			end := hi
			for _, stop := range []rune{'"', '\\'} {
				if lo < stop && stop <= end {
					end = stop - 1
				}
			}
			to = append(to, b.utf8(lo, end, next)...)
			lo = end + 1
		}
	}
	return b.oneOf(to...)
}

// quoted is a text as it stands in quotes, each character written in one way.
func quoted(text string, q quoting) string {
	if q == inCall {
		var inner []byte
		for i := range len(text) {
			switch c := text[i]; c {
			case '"', '\\':
				inner = append(inner, '\\', c)
			case '\n':
				inner = append(inner, '\\', 'n')
			default:
				inner = append(inner, c)
			}
		}
		text = string(inner)
	}
	return escaped(text)
}

// escaped is a text as it stands in a string of JSON.
func escaped(text string) string {
	const hex = "0123456789abcdef"
	short := map[byte]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'}
	var out []byte
	for i := range len(text) {
		c := text[i]
		switch s, ok := short[c]; {
		case ok:
			out = append(out, '\\', s)
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// utf8 are the ways through the bytes of the characters from lo to hi, without surrogates,
// which are none.
func (b *builder) utf8(lo, hi rune, next int32) []int32 {
	const firstSurrogate, lastSurrogate = 0xd800, 0xdfff
	if lo > hi {
		return nil
	}
	if lo <= lastSurrogate && hi >= firstSurrogate {
		return append(b.utf8(lo, firstSurrogate-1, next), b.utf8(lastSurrogate+1, hi, next)...)
	}
	for _, last := range []rune{0x7f, 0x7ff, 0xffff} { // of as many bytes
		if lo <= last && hi > last {
			return append(b.utf8(lo, last, next), b.utf8(last+1, hi, next)...)
		}
	}
	n := utf8.RuneLen(lo)
	for i := 1; i < n; i++ { // the last i bytes are to go through all values, or the others be one
		mask := rune(1)<<(6*i) - 1
		if lo&^mask == hi&^mask {
			continue
		}
		if lo&mask != 0 {
			return append(b.utf8(lo, lo|mask, next), b.utf8(lo|mask+1, hi, next)...)
		}
		if hi&mask != mask {
			return append(b.utf8(lo, hi&^mask-1, next), b.utf8(hi&^mask, hi, next)...)
		}
	}
	first, last := utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi)
	for i := n - 1; i >= 0; i-- {
		next = b.span(first[i], last[i], next)
	}
	return []int32{next}
}

// character is the rule of one character of a string, in every way that it can be written
// in JSON; in a call as [quoted] writes it.
func (b *builder) character(q quoting) int32 {
	if b.text[q] != none {
		return b.text[q]
	}
	var to []int32
	if q == inCall {
		to = append(to, b.runes([]rune{'\n', '\n', 0x20, utf8.MaxRune}, q, b.done))
	} else {
		hex := func(n int, next int32) int32 {
			for range n {
				next = b.oneOf(b.span('0', '9', next), b.span('a', 'f', next), b.span('A', 'F', next))
			}
			return next
		}
		low := b.literal(`\u`, b.bytesOf("dD", b.oneOf(b.span('c', 'f', hex(2, b.done)), b.span('C', 'F', hex(2, b.done)))))
		unicode := b.oneOf(
			b.oneOf(b.span('0', '9', hex(3, b.done)), b.bytesOf("abcefABCEF", hex(3, b.done))),
			b.bytesOf("dD", b.oneOf(b.span('0', '7', hex(2, b.done)), b.bytesOf("89abAB", hex(2, low)))),
		)
		to = append(to, b.span('\\', '\\', b.oneOf(b.bytesOf(`"\/bfnrt`, b.done), b.span('u', 'u', unicode))))
		for _, r := range [][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, utf8.MaxRune}} {
			to = append(to, b.utf8(r[0], r[1], b.done)...)
		}
	}
	b.text[q] = b.oneOf(to...)
	return b.text[q]
}
