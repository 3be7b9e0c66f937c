package pattern

import "strings"

// optionsAlone reads (?i) and its like, which hold for the rest of the group.
func (p *parser) optionsAlone() (changed bool, err error) {
	end := strings.IndexByte(p.text[p.at:], ')')
	if !strings.HasPrefix(p.text[p.at:], "(?") || end < 3 || strings.Trim(p.text[p.at+2:p.at+end], "imx-") != "" {
		return false, nil
	}
	p.at += 2
	if err := p.readOptions(); err != nil {
		return false, err
	}
	p.at++
	return true, nil
}

// readOptions reads letters such as i-m.
func (p *parser) readOptions() error {
	on := true
	for p.more() {
		switch p.text[p.at] {
		case 'i':
			p.fold = on
		case 'm':
			p.dotAll = on
		case '-':
			on = false
		case 'x':
			return p.fail("the option x is not known")
		default:
			return nil
		}
		p.at++
	}
	return nil
}

// group reads a group behind its opening.
func (p *parser) group() (node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	before := p.options
	defer func() { p.options, p.depth = before, p.depth-1 }()
	wrap := func(n node) node { return n }
	switch rest := p.text[p.at:]; {
	case p.accept("?:"):
	case p.accept("?="):
		wrap = func(n node) node { return look{inner: n} }
	case p.accept("?!"):
		wrap = func(n node) node { return look{inner: n, negate: true} }
	case p.accept("?<="):
		wrap = func(n node) node { return look{inner: n, behind: true} }
	case p.accept("?<!"):
		wrap = func(n node) node { return look{inner: n, negate: true, behind: true} }
	case p.accept("?>"):
		wrap = func(n node) node { return atomic{n} }
	case strings.HasPrefix(rest, "?<"):
		end := strings.IndexByte(rest, '>')
		if end < 3 {
			return nil, p.fail("a group without a name")
		}
		p.at += end + 1
	case len(rest) > 1 && rest[0] == '?' && strings.IndexByte("imx-", rest[1]) >= 0:
		p.at++
		if err := p.readOptions(); err != nil {
			return nil, err
		}
		if !p.accept(":") {
			return nil, p.fail("unknown kind of group (%.3s", rest)
		}
	case strings.HasPrefix(rest, "?"), strings.HasPrefix(rest, "*"):
		return nil, p.fail("unknown kind of group (%.3s", rest)
	}
	inner, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, p.fail("( without )")
	}
	n := wrap(inner)
	if l, ok := n.(look); ok && l.behind {
		if what := notBackward(l.inner); what != "" {
			return nil, p.fail("%s within a look-behind is not known", what)
		}
	}
	return n, nil
}

// notBackward names what a part holds that cannot be read from its end, empty for
// nothing.
func notBackward(n node) string {
	var parts []node
	switch n := n.(type) {
	case look:
		return "a look-around"
	case place:
		if n == wordEdge || n == noWordEdge {
			return `\b or \B`
		}
	case atomic:
		return "an atomic group or possessive quantifier"
	case sequence:
		parts = n
	case oneOf:
		parts = n
	case repeat:
		parts = []node{n.inner}
	}
	for _, part := range parts {
		if what := notBackward(part); what != "" {
			return what
		}
	}
	return ""
}
