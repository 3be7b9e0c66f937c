package pattern

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// MaxDepth is how deep groups and classes may be nested.
const MaxDepth = 100

// maxCount bounds the numbers of a {m,n}, of which expressions in use have this many.
const maxCount = 512

type parser struct {
	text  string
	at    int
	depth int
	nodes int // parts outside classes
	items int // parts of classes
	options
}

// options are in force up to the end of a group.
type options struct {
	fold   bool // i: case does not count
	dotAll bool // m: . matches a line feed, too
}

func parse(text string) (node, error) {
	p := &parser{text: text}
	n, err := p.alternatives()
	if err == nil && p.more() {
		err = p.fail("unexpected %q", p.text[p.at])
	}
	return n, err
}

func (p *parser) fail(format string, args ...any) error {
	shown := p.text
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	return fmt.Errorf("pattern %q at byte %d: %s", shown, p.at, fmt.Sprintf(format, args...))
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

// deeper enters a group or class; the caller leaves it by p.depth--.
func (p *parser) deeper() error {
	if p.depth++; p.depth > MaxDepth {
		return p.fail("nested deeper than %d", MaxDepth)
	}
	return nil
}

// alternatives reads up to the end of a group. An option that is set within one holds
// for the alternatives behind it, too, which then all are part of it: a(?i)b|c is
// a(?i:b|c).
func (p *parser) alternatives() (node, error) {
	before := p.options
	defer func() { p.options = before }()
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
	last := rune(-1) // a literal that case does not count in
	for p.more() && p.text[p.at] != '|' && p.text[p.at] != ')' {
		if p.nodes++; p.nodes > MaxSteps {
			return nil, p.fail("more than %d parts", MaxSteps)
		}
		if changed, err := p.optionsAlone(); err != nil || changed {
			if err != nil {
				return nil, err
			}
			rest, err := p.alternatives()
			if err != nil {
				return nil, err
			}
			return append(all, rest), nil
		}
		if p.accept("(?#") {
			end := strings.IndexByte(p.text[p.at:], ')')
			if end < 0 {
				return nil, p.fail("( without )")
			}
			p.at += end + 1
			continue
		}
		start := p.at
		n, literal, err := p.atom()
		if err != nil {
			return nil, err
		}
		bare := p.at
		if n, err = p.quantified(n); err != nil {
			return nil, err
		}
		if p.at > bare || !p.fold {
			literal = -1
		}
		if last >= 0 && literal >= 0 {
			if long, ok := chars.OfLongFold(last, literal); ok {
				p.at = start
				return nil, p.fail("ignoring case, %q stands for %q, which is not known here", string([]rune{last, literal}), long)
			}
		}
		last = literal
		all = append(all, n)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// quantified reads the quantifiers behind a part.
func (p *parser) quantified(n node) (node, error) {
	for {
		r := repeat{inner: n}
		interval := false
		switch {
		case p.accept("*"):
			r.min, r.max = 0, -1
		case p.accept("+"):
			r.min, r.max = 1, -1
		case p.accept("?"):
			r.min, r.max = 0, 1
		default:
			var err error
			if r.min, r.max, interval, err = p.interval(); err != nil {
				return nil, err
			}
			if !interval {
				return n, nil
			}
		}
		if inner, nested := n.(repeat); nested && inner.lazy {
			return nil, p.fail("a quantifier of a lazy quantifier")
		}
		possessive := false
		switch { // {n}? and {m,n}+ are quantifiers of quantifiers
		case !(interval && r.min == r.max) && p.accept("?"):
			r.lazy = true
		case !interval && p.accept("+"):
			possessive = true
		}
		if interval && n.minWidth() == 0 {
			return nil, p.fail("a count of a part that may be empty is not known")
		}
		if n = r.reduced(); possessive {
			n = atomic{n}
		}
	}
}

// interval reads {m,n}, {m,}, {,n} or {m}; other braces are literals.
func (p *parser) interval() (low, high int, ok bool, err error) {
	rest := p.text[p.at:]
	end := strings.IndexByte(rest, '}')
	if !strings.HasPrefix(rest, "{") || end < 0 {
		return 0, 0, false, nil
	}
	first, second, ranged := strings.Cut(rest[1:end], ",")
	number := func(s string, missing int) (int, bool) {
		if s == "" {
			return missing, true
		}
		if strings.Trim(s, "0123456789") != "" {
			return 0, false
		}
		n, err := strconv.Atoi(s)
		if err != nil || n > maxCount {
			n = maxCount + 1
		}
		return n, true
	}
	var okLow, okHigh bool
	low, okLow = number(first, 0)
	high, okHigh = low, true
	if ranged {
		high, okHigh = number(second, -1)
	}
	if !okLow || !okHigh || first == "" && second == "" {
		return 0, 0, false, nil
	}
	if max(low, high) > maxCount {
		return 0, 0, false, p.fail("%s repeats more than %d times", rest[:end+1], maxCount)
	}
	if high >= 0 && high < low {
		return 0, 0, false, p.fail("bad count %s", rest[:end+1])
	}
	p.at += end + 1
	return low, high, true, nil
}

// atom reads a part without quantifier. literal is the character for which it stands
// by itself, -1 for none.
func (p *parser) atom() (n node, literal rune, err error) {
	switch {
	case p.accept("("):
		n, err = p.group()
		return n, -1, err
	case p.accept("["):
		set, err := p.bracket()
		return char{set}, -1, err
	case p.accept("."):
		if p.dotAll {
			return char{anything}, -1, nil
		}
		return char{lineFeed.Not()}, -1, nil
	case p.accept("^"):
		return lineStart, -1, nil
	case p.accept("$"):
		return lineEnd, -1, nil
	case p.accept(`\`):
		return p.escape()
	}
	if strings.IndexByte("*+?", p.text[p.at]) >= 0 {
		return nil, -1, p.fail("nothing to repeat")
	}
	if _, _, interval, err := p.interval(); interval || err != nil {
		return nil, -1, p.fail("nothing to repeat")
	}
	r := p.rune()
	n, err = p.literal(r)
	return n, r, err
}

var (
	lineFeed = chars.Of(chars.Range{Lo: '\n', Hi: '\n'})
	anything = chars.Of(chars.Range{Lo: 0, Hi: utf8.MaxRune})
)

func one(r rune) *chars.Set { return chars.Of(chars.Range{Lo: r, Hi: r}) }

// literal is a character that stands for itself.
func (p *parser) literal(r rune) (node, error) {
	set := one(r)
	if p.fold {
		if _, long := set.LongFold(); long {
			return nil, p.fail("ignoring case, %q stands for several characters, which is not known here", r)
		}
		set = set.Fold()
	}
	return char{set}, nil
}
