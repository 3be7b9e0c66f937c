package grammar

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// pattern is the strings in which a regular expression finds a match: without ^ and $
// others may stand around it.
func (b *builder) pattern(source string, q quoting, next int32) (int32, error) {
	e, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return 0, err
	}
	e = e.Simplify()
	branches := []*syntax.Regexp{e}
	for e.Op == syntax.OpCapture {
		e = e.Sub[0]
	}
	if e.Op == syntax.OpAlternate {
		branches = e.Sub
	}
	rest := b.repeat(b.character(q), 0, -1, next)
	var to []int32
	for _, branch := range branches {
		parts := []*syntax.Regexp{branch}
		if branch.Op == syntax.OpConcat {
			parts = branch.Sub
		}
		opens, ends := false, false
		for len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
			opens, parts = true, parts[1:]
		}
		for len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
			ends, parts = true, parts[:len(parts)-1]
		}
		at := rest
		if ends {
			at = next
		}
		for i := len(parts) - 1; i >= 0; i-- {
			if at, err = b.expression(parts[i], q, at); err != nil {
				return 0, err
			}
		}
		if !opens {
			at = b.repeat(b.character(q), 0, -1, at)
		}
		to = append(to, at)
	}
	return b.oneOf(to...), nil
}

// expression is what a regular expression matches.
func (b *builder) expression(e *syntax.Regexp, q quoting, next int32) (int32, error) {
	if len(b.nodes) > maxNodes {
		return 0, errors.New("it is too large")
	}
	switch e.Op {
	case syntax.OpNoMatch:
		return b.add(node{kind: split}), nil
	case syntax.OpEmptyMatch:
		return next, nil
	case syntax.OpLiteral:
		for i := len(e.Rune) - 1; i >= 0; i-- {
			ranges := []rune{e.Rune[i], e.Rune[i]}
			if e.Flags&syntax.FoldCase != 0 {
				ranges = folded(e.Rune[i])
			}
			next = b.runes(ranges, q, next)
		}
		return next, nil
	case syntax.OpCharClass:
		if len(e.Rune) == 0 {
			return b.add(node{kind: split}), nil
		}
		return b.runes(e.Rune, q, next), nil
	case syntax.OpAnyChar:
		return b.runes([]rune{0, utf8.MaxRune}, q, next), nil
	case syntax.OpAnyCharNotNL:
		return b.runes([]rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}, q, next), nil
	case syntax.OpCapture:
		return b.expression(e.Sub[0], q, next)
	case syntax.OpConcat:
		var err error
		for i := len(e.Sub) - 1; i >= 0 && err == nil; i-- {
			next, err = b.expression(e.Sub[i], q, next)
		}
		return next, err
	case syntax.OpAlternate:
		var to []int32
		for _, sub := range e.Sub {
			at, err := b.expression(sub, q, next)
			if err != nil {
				return 0, err
			}
			to = append(to, at)
		}
		return b.oneOf(to...), nil
	case syntax.OpQuest:
		at, err := b.expression(e.Sub[0], q, next)
		return b.oneOf(at, next), err
	case syntax.OpStar, syntax.OpPlus:
		loop := b.add(node{kind: split})
		at, err := b.expression(e.Sub[0], q, loop)
		b.nodes[loop].to = []int32{at, next}
		if e.Op == syntax.OpPlus {
			return at, err
		}
		return loop, err
	}
	return 0, fmt.Errorf("%s is not supported there", e)
}

// folded are the letters that a letter stands for whatever its case.
func folded(r rune) []rune {
	ranges := []rune{r, r}
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		ranges = append(ranges, other, other)
	}
	return ranges
}
