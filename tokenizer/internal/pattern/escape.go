package pattern

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// places are the escapes of conditions.
var places = map[byte]place{'A': textStart, 'z': textEnd, 'Z': lastLine, 'b': wordEdge, 'B': noWordEdge}

// escape reads what follows a backslash outside a class; literal is the character for
// which it stands, -1 for none.
func (p *parser) escape() (n node, literal rune, err error) {
	if !p.more() {
		return nil, -1, p.fail(`\ at the end`)
	}
	letter := p.text[p.at]
	if at, ok := places[letter]; ok {
		p.at++
		return at, -1, nil
	}
	switch letter {
	case 'w', 'W':
		p.at++
		return char{negated(chars.Word(), letter == 'W')}, -1, nil
	case 'N':
		p.at++
		return char{lineFeed.Not()}, -1, nil
	case 'O':
		p.at++
		return char{anything}, -1, nil
	case 'R':
		p.at++
		lineEnds := chars.Of(chars.Range{Lo: '\n', Hi: '\r'}, chars.Range{Lo: 0x85, Hi: 0x85}, chars.Range{Lo: 0x2028, Hi: 0x2029})
		return atomic{oneOf{sequence{char{one('\r')}, char{one('\n')}}, char{lineEnds}}}, -1, nil
	case 'p', 'P':
		// A word by its property is \w, not what it is within a class.
		for _, name := range []string{"{Word}", "{word}"} {
			if strings.HasPrefix(p.text[p.at+1:], name) {
				p.at += 1 + len(name)
				return char{negated(chars.Word(), letter == 'P')}, -1, nil
			}
		}
	}
	set, r, err := p.escaped()
	if err != nil {
		return nil, -1, err
	}
	if set != nil {
		return char{set}, -1, nil
	}
	n, err = p.literal(r)
	return n, r, err
}

func negated(set *chars.Set, negate bool) *chars.Set {
	if negate {
		return set.Not()
	}
	return set
}

// controls are the escapes of single characters.
var controls = map[rune]rune{'n': '\n', 'r': '\r', 't': '\t', 'f': '\f', 'v': '\v', 'a': '\a', 'e': 0x1b}

// escaped reads an escape that means the same within a class: it returns a set, or a
// character.
func (p *parser) escaped() (*chars.Set, rune, error) {
	at := p.at
	r := p.rune()
	if c, ok := controls[r]; ok {
		return nil, c, nil
	}
	switch r {
	case 's', 'S':
		return negated(chars.Space(), r == 'S'), 0, nil
	case 'd', 'D':
		return negated(chars.Digit(), r == 'D'), 0, nil
	case 'h', 'H':
		return negated(chars.HexDigit(), r == 'H'), 0, nil
	case 'w', 'W':
		return negated(chars.ClassWord(), r == 'W'), 0, nil
	case 'p', 'P':
		set, err := p.property()
		if err != nil {
			return nil, 0, err
		}
		return negated(set, r == 'P'), 0, nil
	case 'x', 'u':
		return p.code(r)
	}
	if isASCIILetter(r) || r >= '0' && r <= '9' {
		p.at = at
		return nil, 0, p.fail(`unknown escape \%c`, r)
	}
	return nil, r, nil
}

func isASCIILetter(r rune) bool { return r < utf8.RuneSelf && (r|0x20 >= 'a' && r|0x20 <= 'z') }

// code reads \xHH, \x{H…} or \uHHHH behind its letter.
func (p *parser) code(kind rune) (*chars.Set, rune, error) {
	text, skip, high := "", 0, uint64(utf8.MaxRune)
	switch rest := p.text[p.at:]; {
	case kind == 'x' && strings.HasPrefix(rest, "{"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return nil, 0, p.fail("{ without }")
		}
		text, skip = rest[1:end], end+1
	case kind == 'x' && len(rest) >= 2:
		text, skip, high = rest[:2], 2, 0x7f // above it is a byte, not a character
	case kind == 'u' && len(rest) >= 4:
		text, skip = rest[:4], 4
	}
	n, err := strconv.ParseUint(text, 16, 32)
	if err != nil || n > high {
		return nil, 0, p.fail(`bad \%c`, kind)
	}
	p.at += skip
	return nil, rune(n), nil
}

// property reads {…} behind \p.
func (p *parser) property() (*chars.Set, error) {
	if !p.accept("{") {
		return nil, p.fail(`\p without {`)
	}
	end := strings.IndexByte(p.text[p.at:], '}')
	if end < 0 {
		return nil, p.fail("{ without }")
	}
	name := p.text[p.at : p.at+end]
	p.at += end + 1
	bare, negate := strings.CutPrefix(name, "^")
	set := chars.Property(bare)
	if set == nil {
		return nil, p.fail(`unknown property \p{%.40s}`, name)
	}
	return negated(set, negate), nil
}
