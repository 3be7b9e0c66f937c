package pattern

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tables say which characters have a property; the caller's own serve \p{L},
// \p{N} and \s, so that they agree with the reference's version of Unicode.
type Tables struct {
	Letter, Number, Space func(rune) bool
}

// node is a part of an expression.
type node interface{}

type (
	oneOf    []node // alternatives
	sequence []node
	char     func(rune) bool
	look     struct {
		inner  node
		negate bool
	}
	repeat struct {
		inner            node
		min, max         int // max -1: no bound
		lazy, possessive bool
	}
	atStart struct{}
	atEnd   struct{}
)

type parser struct {
	text   string
	at     int
	tables Tables
	fold   bool
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("pattern %q at byte %d: %s", p.text, p.at, fmt.Sprintf(format, args...))
}

func (p *parser) more() bool { return p.at < len(p.text) }

func (p *parser) accept(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) rune() rune {
	r, width := utf8.DecodeRuneInString(p.text[p.at:])
	p.at += width
	return r
}

func (p *parser) alternatives() (node, error) {
	var all oneOf
	for {
		s, err := p.sequence()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if !p.accept("|") {
			break
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func (p *parser) sequence() (node, error) {
	var all sequence
	for p.more() && p.text[p.at] != '|' && p.text[p.at] != ')' {
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n, err = p.quantified(n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (p *parser) quantified(n node) (node, error) {
	r := repeat{inner: n}
	switch {
	case p.accept("*"):
		r.min, r.max = 0, -1
	case p.accept("+"):
		r.min, r.max = 1, -1
	case p.accept("?"):
		r.min, r.max = 0, 1
	case p.more() && p.text[p.at] == '{':
		end := strings.IndexByte(p.text[p.at:], '}')
		if end < 0 {
			return nil, p.fail("{ without }")
		}
		low, high, ranged := strings.Cut(p.text[p.at+1:p.at+end], ",")
		var err error
		if r.min, err = strconv.Atoi(low); err != nil && !(ranged && low == "") {
			return nil, p.fail("bad count")
		}
		r.max = r.min
		if ranged {
			r.max = -1
			if high != "" {
				if r.max, err = strconv.Atoi(high); err != nil {
					return nil, p.fail("bad count")
				}
			}
		}
		p.at += end + 1
	default:
		return n, nil
	}
	switch {
	case p.accept("?"):
		r.lazy = true
	case p.accept("+"):
		r.possessive = true
	}
	if p.more() && strings.IndexByte("*+?{", p.text[p.at]) >= 0 {
		return p.quantified(r)
	}
	return r, nil
}

func (p *parser) atom() (node, error) {
	switch {
	case p.accept("("):
		return p.group()
	case p.accept("["):
		c, err := p.class()
		return c, err
	case p.accept("."):
		return char(func(r rune) bool { return r != '\n' }), nil
	case p.accept("^"):
		return atStart{}, nil
	case p.accept("$"):
		return atEnd{}, nil
	case p.accept(`\`):
		return p.escape()
	}
	if strings.IndexByte("*+?{", p.text[p.at]) >= 0 {
		return nil, p.fail("nothing to repeat")
	}
	return p.literal(p.rune()), nil
}

func (p *parser) literal(want rune) char {
	if !p.fold {
		return func(r rune) bool { return r == want }
	}
	return func(r rune) bool {
		if r == want {
			return true
		}
		for f := unicode.SimpleFold(want); f != want; f = unicode.SimpleFold(f) {
			if r == f {
				return true
			}
		}
		return false
	}
}

func (p *parser) group() (node, error) {
	fold := p.fold
	wrap := func(n node) node { return n }
	switch {
	case p.accept("?:"):
	case p.accept("?i:"):
		p.fold = true
	case p.accept("?="):
		wrap = func(n node) node { return look{n, false} }
	case p.accept("?!"):
		wrap = func(n node) node { return look{n, true} }
	case p.accept("?>"):
		wrap = func(n node) node { return repeat{inner: n, min: 1, max: 1, possessive: true} }
	case p.more() && p.text[p.at] == '?':
		return nil, p.fail("unknown kind of group")
	}
	inner, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, p.fail("( without )")
	}
	p.fold = fold
	return wrap(inner), nil
}

// escape reads what follows a backslash outside a class.
func (p *parser) escape() (char, error) {
	if !p.more() {
		return nil, p.fail(`\ at the end`)
	}
	c, literal, err := p.escaped()
	if err != nil || c != nil {
		return c, err
	}
	return p.literal(literal), nil
}

// escaped returns a set of characters, or one.
func (p *parser) escaped() (char, rune, error) {
	not := func(c char) char { return func(r rune) bool { return !c(r) } }
	word := char(func(r rune) bool {
		return r == '_' || p.tables.Letter(r) || p.tables.Number(r) || unicode.Is(unicode.M, r) || unicode.Is(unicode.Pc, r)
	})
	digit := char(func(r rune) bool { return unicode.Is(unicode.Nd, r) })
	switch r := p.rune(); r {
	case 's':
		return p.tables.Space, 0, nil
	case 'S':
		return not(p.tables.Space), 0, nil
	case 'd':
		return digit, 0, nil
	case 'D':
		return not(digit), 0, nil
	case 'w':
		return word, 0, nil
	case 'W':
		return not(word), 0, nil
	case 'p', 'P':
		c, err := p.property()
		if err == nil && r == 'P' {
			c = not(c)
		}
		return c, 0, err
	case 'n':
		return nil, '\n', nil
	case 'r':
		return nil, '\r', nil
	case 't':
		return nil, '\t', nil
	case 'f':
		return nil, '\f', nil
	case 'v':
		return nil, '\v', nil
	case 'x', 'u':
		return p.code(r)
	default:
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return nil, 0, p.fail(`unknown escape \%c`, r)
		}
		return nil, r, nil
	}
}

// code reads \xHH, \x{H…} or \uHHHH behind its letter.
func (p *parser) code(kind rune) (char, rune, error) {
	digits := map[rune]int{'x': 2, 'u': 4}[kind]
	text := p.text[p.at:]
	skip := digits
	if strings.HasPrefix(text, "{") {
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return nil, 0, p.fail("{ without }")
		}
		text, skip = text[1:end], end+1
	} else if len(text) >= digits {
		text = text[:digits]
	}
	n, err := strconv.ParseUint(text, 16, 21)
	if err != nil {
		return nil, 0, p.fail(`bad \%c`, kind)
	}
	p.at += skip
	return nil, rune(n), nil
}

// property reads {…} behind \p.
func (p *parser) property() (char, error) {
	if !p.accept("{") {
		return nil, p.fail(`\p without {`)
	}
	end := strings.IndexByte(p.text[p.at:], '}')
	if end < 0 {
		return nil, p.fail("{ without }")
	}
	name := p.text[p.at : p.at+end]
	p.at += end + 1
	negate := strings.HasPrefix(name, "^")
	name = strings.TrimPrefix(name, "^")
	var c char
	switch name {
	case "L":
		c = p.tables.Letter
	case "N":
		c = p.tables.Number
	default:
		table := unicode.Categories[name]
		if table == nil {
			table = unicode.Scripts[name]
		}
		if table == nil {
			return nil, p.fail(`unknown property \p{%s}`, name)
		}
		c = func(r rune) bool { return unicode.Is(table, r) }
	}
	if negate {
		inner := c
		c = func(r rune) bool { return !inner(r) }
	}
	return c, nil
}

// class reads a bracketed class behind its [.
func (p *parser) class() (char, error) {
	negate := p.accept("^")
	var parts []char
	var limits []char // && what follows
	for first := true; ; first = false {
		if !p.more() {
			return nil, p.fail("[ without ]")
		}
		if !first && p.accept("]") {
			break
		}
		if p.accept("&&") {
			rest, err := p.rest()
			if err != nil {
				return nil, err
			}
			limits = append(limits, rest)
			continue
		}
		if p.accept("[") {
			if p.more() && p.text[p.at] == ':' {
				return nil, p.fail("POSIX classes are not known")
			}
			inner, err := p.class()
			if err != nil {
				return nil, err
			}
			parts = append(parts, inner)
			continue
		}
		c, low, err := p.classItem()
		if err != nil {
			return nil, err
		}
		if c != nil {
			parts = append(parts, c)
			continue
		}
		high := low
		if rest := p.text[p.at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			p.at++
			if c, high, err = p.classItem(); err != nil {
				return nil, err
			}
			if c != nil || high < low {
				return nil, p.fail("bad range")
			}
		}
		if low == high {
			parts = append(parts, p.literal(low))
			continue
		}
		if p.fold {
			parts = append(parts, func(r rune) bool {
				for f := unicode.SimpleFold(r); ; f = unicode.SimpleFold(f) {
					if f >= low && f <= high {
						return true
					}
					if f == r {
						return false
					}
				}
			})
			continue
		}
		parts = append(parts, func(r rune) bool { return r >= low && r <= high })
	}
	return func(r rune) bool {
		in := false
		for _, c := range parts {
			if c(r) {
				in = true
				break
			}
		}
		for _, c := range limits {
			in = in && c(r)
		}
		return in != negate
	}, nil
}

// rest reads the part of a class behind &&, up to but without its ].
func (p *parser) rest() (char, error) {
	c, err := p.class()
	if err != nil {
		return nil, err
	}
	p.at-- // the ] belongs to the outer class too
	return c, nil
}

func (p *parser) classItem() (char, rune, error) {
	if p.accept(`\`) {
		if p.accept("b") {
			return nil, '\b', nil
		}
		return p.escaped()
	}
	return nil, p.rune(), nil
}
