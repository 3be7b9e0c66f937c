package pattern

import (
	"strings"

	"mobilellm/tokenizer/internal/chars"
)

// bracket reads a class outside any other, behind its [.
func (p *parser) bracket() (*chars.Set, error) {
	set, negate, err := p.class()
	if err != nil {
		return nil, err
	}
	if p.fold {
		if long, ok := set.LongFold(); ok && !negate {
			return nil, p.fail("ignoring case, a class with %q stands for several characters, which is not known here", long)
		}
		set = set.Fold()
	}
	return negated(set, negate), nil
}

// class reads a class behind its [ and says whether it is to be negated.
func (p *parser) class() (set *chars.Set, negate bool, err error) {
	if err := p.deeper(); err != nil {
		return nil, false, err
	}
	defer func() { p.depth-- }()
	negate = p.accept("^")
	all := anything // what the parts before each && leave
	var parts []*chars.Set
	for first := true; ; first = false {
		if p.items++; p.items > maxItems {
			return nil, false, p.fail("classes of more than %d parts", maxItems)
		}
		switch {
		case !p.more():
			return nil, false, p.fail("[ without ]")
		case !first && p.accept("]"):
			return all.And(chars.Union(parts...)), negate, nil
		case p.accept("&&"):
			all, parts = all.And(chars.Union(parts...)), nil
			continue
		}
		part, err := p.part()
		if err != nil {
			return nil, false, err
		}
		parts = append(parts, part)
	}
}

// maxItems bounds the parts of all classes.
const maxItems = 1 << 14

// part reads a class within the class, a character or a range.
func (p *parser) part() (*chars.Set, error) {
	if p.accept("[:") {
		return p.posix()
	}
	if p.accept("[") {
		set, negate, err := p.class()
		if err != nil {
			return nil, err
		}
		return negated(set, negate), nil
	}
	set, low, err := p.item()
	if err != nil || set != nil {
		return set, err
	}
	high := low
	if rest := p.text[p.at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
		p.at++
		if set, high, err = p.item(); err != nil {
			return nil, err
		}
		if set != nil || high < low {
			return nil, p.fail("bad range")
		}
	}
	return chars.Of(chars.Range{Lo: low, Hi: high}), nil
}

// item reads a set or a character.
func (p *parser) item() (*chars.Set, rune, error) {
	if !p.accept(`\`) {
		return nil, p.rune(), nil
	}
	if !p.more() {
		return nil, 0, p.fail(`\ at the end`)
	}
	if p.accept("b") {
		return nil, '\b', nil
	}
	return p.escaped()
}

// posix reads a class like [:alpha:] behind its [: .
func (p *parser) posix() (*chars.Set, error) {
	end := strings.Index(p.text[p.at:], ":]")
	if end < 0 {
		return nil, p.fail("[: without :]")
	}
	name, negate := strings.CutPrefix(p.text[p.at:p.at+end], "^")
	set := chars.Posix(name)
	if set == nil {
		return nil, p.fail("unknown class [:%.40s:]", name)
	}
	p.at += end + 2
	return negated(set, negate), nil
}
