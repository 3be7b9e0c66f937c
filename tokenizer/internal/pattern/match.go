package pattern

import "unicode/utf8"

// Pattern is an expression that is ready to match. It is safe for concurrent
// use.
type Pattern struct {
	match matcher
}

// matcher tries to match text at a place and then goes on with next, which
// says whether the rest matches; it returns where the whole match ends, -1 for
// none.
type matcher func(text []byte, at int, next func(int) int) int

// Compile reads an expression.
func Compile(text string, tables Tables) (*Pattern, error) {
	p := &parser{text: text, tables: tables}
	n, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.more() {
		return nil, p.fail("unexpected %q", p.text[p.at])
	}
	return &Pattern{compile(n)}, nil
}

// At returns where a match that starts at a place ends, -1 for none.
func (p *Pattern) At(text []byte, at int) int {
	return p.match(text, at, func(end int) int { return end })
}

// Find returns the first match at or after a place; ok is false for none.
func (p *Pattern) Find(text []byte, from int) (start, end int, ok bool) {
	for at := from; at <= len(text); {
		if end := p.At(text, at); end >= 0 {
			return at, end, true
		}
		if at == len(text) {
			break
		}
		_, width := utf8.DecodeRune(text[at:])
		at += width
	}
	return 0, 0, false
}

func compile(n node) matcher {
	switch n := n.(type) {
	case char:
		ascii := asciiOf(n)
		return func(text []byte, at int, next func(int) int) int {
			if end := step(n, &ascii, text, at); end > 0 {
				return next(end)
			}
			return -1
		}
	case sequence:
		return compileSequence(n)
	case oneOf:
		all := make([]matcher, len(n))
		for i, inner := range n {
			all[i] = compile(inner)
		}
		return func(text []byte, at int, next func(int) int) int {
			for _, m := range all {
				if end := m(text, at, next); end >= 0 {
					return end
				}
			}
			return -1
		}
	case look:
		inner := compile(n.inner)
		return func(text []byte, at int, next func(int) int) int {
			if (inner(text, at, stay) >= 0) == n.negate {
				return -1
			}
			return next(at)
		}
	case repeat:
		return compileRepeat(n)
	case atStart:
		return func(text []byte, at int, next func(int) int) int {
			if at > 0 && text[at-1] != '\n' {
				return -1
			}
			return next(at)
		}
	case atEnd:
		return func(text []byte, at int, next func(int) int) int {
			if at < len(text) && text[at] != '\n' {
				return -1
			}
			return next(at)
		}
	}
	panic("pattern: unknown node")
}

func stay(at int) int { return at }

// asciiOf tabulates a set for the characters that are met most.
func asciiOf(c char) (table [utf8.RuneSelf]bool) {
	for r := range table {
		table[r] = c(rune(r))
	}
	return table
}

// step returns the place behind the character at a place if it is in the set,
// else 0. A byte that is not UTF-8 counts as U+FFFD.
func step(c char, ascii *[utf8.RuneSelf]bool, text []byte, at int) int {
	if at >= len(text) {
		return 0
	}
	if b := text[at]; b < utf8.RuneSelf {
		if ascii[b] {
			return at + 1
		}
		return 0
	}
	r, width := utf8.DecodeRune(text[at:])
	if c(r) {
		return at + width
	}
	return 0
}

func compileSequence(n sequence) matcher {
	switch len(n) {
	case 0:
		return func(_ []byte, at int, next func(int) int) int { return next(at) }
	case 1:
		return compile(n[0])
	}
	first, rest := compile(n[0]), compileSequence(n[1:])
	return func(text []byte, at int, next func(int) int) int {
		return first(text, at, func(mid int) int { return rest(text, mid, next) })
	}
}

func compileRepeat(n repeat) matcher {
	if c, ok := n.inner.(char); ok && !n.lazy {
		return repeatChar(n, c)
	}
	inner := compile(n.inner)
	if n.possessive {
		greedy := n
		greedy.possessive = false
		all := compileRepeat(greedy)
		return func(text []byte, at int, next func(int) int) int {
			end := all(text, at, stay)
			if end < 0 {
				return -1
			}
			return next(end)
		}
	}
	var try func(text []byte, at, count int, next func(int) int) int
	try = func(text []byte, at, count int, next func(int) int) int {
		again := func() int {
			if n.max >= 0 && count >= n.max {
				return -1
			}
			return inner(text, at, func(end int) int {
				if end == at && count >= n.min {
					return -1 // no progress
				}
				return try(text, end, count+1, next)
			})
		}
		if count < n.min {
			return again()
		}
		if n.lazy {
			if end := next(at); end >= 0 {
				return end
			}
			return again()
		}
		if end := again(); end >= 0 {
			return end
		}
		return next(at)
	}
	return func(text []byte, at int, next func(int) int) int { return try(text, at, 0, next) }
}

// repeatChar runs over characters without a call for each.
func repeatChar(n repeat, c char) matcher {
	ascii := asciiOf(c)
	return func(text []byte, at int, next func(int) int) int {
		end, count := at, 0
		for n.max < 0 || count < n.max {
			to := step(c, &ascii, text, end)
			if to == 0 {
				break
			}
			end = to
			count++
		}
		for ; count >= n.min; count-- {
			if found := next(end); found >= 0 {
				return found
			}
			if n.possessive || end == at {
				return -1
			}
			_, width := utf8.DecodeLastRune(text[at:end])
			end -= width
		}
		return -1
	}
}
