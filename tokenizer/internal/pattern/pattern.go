package pattern

import (
	"bytes"
	"fmt"
	"sync"
	"unicode/utf8"
)

// Pattern is an expression that is ready to match. It is safe for concurrent use.
type Pattern struct {
	steps   []step
	start   int32
	choices int32
	first   *firsts
	idle    sync.Pool // of *machine
}

// Compile reads an expression.
func Compile(text string) (*Pattern, error) {
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	p := &Pattern{}
	if p.steps, p.start, p.choices, err = compile(n); err != nil {
		return nil, fmt.Errorf("pattern %.200q: %w", text, err)
	}
	setFirsts(p.steps)
	p.first = firstsOf(p.steps, p.start, map[int32]*firsts{})
	return p, nil
}

// All calls yield with the matches in a text from left to right, as Oniguruma's bindings
// find them: behind an empty match the search goes on one character later, and an empty
// match right behind another match counts for nothing.
func (p *Pattern) All(text []byte, yield func(start, end int)) {
	m, ok := p.idle.Get().(*machine)
	if !ok {
		m = &machine{Pattern: p}
	}
	m.begin(text)
	m.all(yield)
	m.end()
	p.idle.Put(m)
}

func (m *machine) all(yield func(start, end int)) {
	last := -1
	for from := 0; from <= len(m.text); {
		start, end := m.find(from)
		switch {
		case start < 0:
			return
		case start == end && end == last:
			from += max(width(m.text, from), 1)
		default:
			from, last = end, end
			yield(start, end)
		}
	}
}

// find returns the first match at or after a place, -1 for none.
func (m *machine) find(from int) (start, end int) {
	for at := from; at <= len(m.text); at += max(width(m.text, at), 1) {
		if m.first != nil {
			for at < len(m.text) && !m.first[m.text[at]] {
				at += width(m.text, at)
			}
			if at == len(m.text) {
				break
			}
		}
		if end := m.run(m.start, at); end >= 0 {
			return at, end
		}
	}
	return -1, -1
}

// width is that of the character at a place, 0 at the end.
func width(text []byte, at int) int {
	if at < len(text) && text[at] < utf8.RuneSelf {
		return 1
	}
	_, width := utf8.DecodeRune(text[at:])
	return width
}

// Literal is a text that stands for itself.
type Literal []byte

// All calls yield with the places of the literal as [Pattern.All] does.
func (l Literal) All(text []byte, yield func(start, end int)) {
	if len(l) == 0 {
		for at := 0; at <= len(text); at += max(width(text, at), 1) {
			yield(at, at)
		}
		return
	}
	for from := 0; ; from += len(l) {
		at := bytes.Index(text[from:], l)
		if at < 0 {
			return
		}
		from += at
		yield(from, from+len(l))
	}
}

// MayBeEmpty says whether an expression may match nothing.
func MayBeEmpty(text string) bool {
	n, err := parse(text)
	return err != nil || n.minWidth() == 0
}
