package words

import "bytes"

// The patterns that cut text into words before BPE, as tokenizer.json states
// them. GPT2 is what the ByteLevel pre-tokenizer cuts with by itself (Radford et
// al. 2019); Llama3 is what Llama 3 and GPT-4 made usual; Qwen2 is the same with
// digits alone. In turn Llama3 is: English contractions; letters with at most one
// other character before them; up to three digits; symbols with at most one blank
// before and line ends behind; blanks up to a line's end; and blanks, of which the
// last one before a word is left to the word.
const (
	GPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	Llama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	Qwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// Scanner returns a function that does by hand, many times quicker, what a
// pattern says: the length of the first word of a text that is not empty. It is
// nil for patterns without one.
func Scanner(pattern string) func([]byte) int {
	switch pattern {
	case GPT2:
		return nextGPT2
	case Llama3:
		return Next
	case Qwen2:
		return func(s []byte) int { return next(s, 1) }
	}
	return nil
}

// Next returns the length of the first word of s, which is not empty, by
// [Llama3]. The first alternative that matches wins, as in every backtracking
// engine.
func Next(s []byte) int { return next(s, 3) }

// next is Next with up to so many digits in a word.
func next(s []byte, digits int) int {
	if s[0] == '\'' {
		if n := contraction(s); n > 0 {
			return n
		}
	}
	first, width := classAt(s)
	switch first {
	case letter:
		return run(s, width, letter)
	case number:
		return numbers(s, width, digits)
	}
	second, secondWidth := symbol, 0
	if width < len(s) {
		second, secondWidth = classAt(s[width:])
	}
	switch {
	case second == letter && first != newline:
		return run(s, width+secondWidth, letter)
	case first == symbol:
		return run(s, run(s, width, symbol), newline)
	case s[0] == ' ' && second == symbol && secondWidth > 0:
		return run(s, run(s, width+secondWidth, symbol), newline)
	}
	return blanks(s)
}

// run returns where the characters of class c that start at i end.
func run(s []byte, i int, c class) int {
	for i < len(s) {
		k, width := classAt(s[i:])
		if k != c {
			return i
		}
		i += width
	}
	return i
}

// numbers returns the length of the digits, at most so many, that open s; the
// first is width bytes wide.
func numbers(s []byte, width, most int) int {
	for n := 1; n < most && width < len(s); n++ {
		k, w := classAt(s[width:])
		if k != number {
			break
		}
		width += w
	}
	return width
}

// blanks returns the length of the word at s, which opens with white space
// that belongs to no other word.
func blanks(s []byte) int {
	i, lineEnd, last := 0, 0, 0
	for i < len(s) {
		k, width := classAt(s[i:])
		if k != space && k != newline {
			break
		}
		last = i
		i += width
		if k == newline {
			lineEnd = i
		}
	}
	switch {
	case lineEnd > 0:
		return lineEnd
	case i < len(s) && last > 0:
		return last // (?!\S): the last blank goes to what follows
	}
	return i
}

// contraction returns the length of the English contraction that opens s, 0
// if there is none. Ignoring case, ſ (U+017F) is an s.
func contraction(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) < 3 {
		return 0
	}
	if s[1] == 0xc5 && s[2] == 0xbf {
		return 3
	}
	switch [2]byte{s[1] | 0x20, s[2] | 0x20} {
	case [2]byte{'r', 'e'}, [2]byte{'v', 'e'}, [2]byte{'l', 'l'}:
		return 3
	}
	return 0
}

// CutAtLine returns the first place at or after from where a line feed meets
// an ASCII letter, len(text) if there is none. No word of [Llama3] and no
// special token reaches over such a place, whatever stands around it.
func CutAtLine(text []byte, from int) int {
	for i := max(from, 1); i < len(text); i++ {
		if text[i-1] == '\n' && text[i] < 0x80 && asciiClass[text[i]] == letter {
			return i
		}
	}
	return len(text)
}

// nextGPT2 returns the length of the first word of s by [GPT2].
func nextGPT2(s []byte) int {
	if s[0] == '\'' {
		for _, ending := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if bytes.HasPrefix(s, []byte(ending)) {
				return len(ending)
			}
		}
	}
	at := 0
	if s[0] == ' ' && len(s) > 1 {
		at = 1
	}
	kind, width := classAt(s[at:])
	if kind != space && kind != newline {
		return run(s, at+width, kind)
	}
	end, last := 0, 0
	for end < len(s) {
		kind, width := classAt(s[end:])
		if kind != space && kind != newline {
			break
		}
		last = end
		end += width
	}
	if end < len(s) && last > 0 {
		return last // (?!\S): the last blank goes to what follows
	}
	return end
}
