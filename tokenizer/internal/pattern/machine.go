package pattern

import (
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// machine matches one text by backtracking over a stack of its own.
type machine struct {
	*Pattern
	text   []byte
	stack  []frame
	within int // how many inner parts are being matched

	// From so many steps on states are remembered.
	budget int
	memo   bool
	failed [][]uint64 // by choice: a bit for each place from which it has failed
	ends   [][]int32  // by choice: where an inner match from a place has ended, plus 1
}

// frame is a state to go back to, or the mark of one that will have failed by then.
type frame struct {
	step int32 // ^memo of a mark
	at   int32
	low  int32 // step is a run, which may give back down to here; -1 for a single state
}

// stepsPerByte is how many steps the expressions in use stay far below, outside of runs.
const stepsPerByte = 64

func (m *machine) begin(text []byte) {
	m.text, m.stack, m.memo = text, m.stack[:0], false
	m.budget = 1<<12 + stepsPerByte*len(text)
}

func (m *machine) end() {
	m.text, m.failed, m.ends = nil, nil, nil
	if cap(m.stack) > 1<<16 {
		m.stack = nil
	}
}

// remember begins to keep the states that fail.
func (m *machine) remember() {
	m.memo = true
	m.failed, m.ends = make([][]uint64, m.choices), make([][]int32, m.choices)
}

// run follows the program from a step at a place and returns where the match ends, -1
// for none.
func (m *machine) run(at int32, pos int) int {
	base := len(m.stack)
	steps := m.steps
	for {
		if m.budget--; m.budget < 0 && !m.memo {
			m.remember()
		}
		ok := true
		switch s := &steps[at]; s.op {
		case opChar:
			width := widthIn(s.set, m.text, pos)
			ok = width > 0
			pos += width
			at = s.next
		case opBackChar:
			width := widthBefore(s.set, m.text, pos)
			ok = width > 0
			pos -= width
			at = s.next
		case opRun:
			if m.memo && s.max < 0 {
				at = s.plain
				continue
			}
			if m.memo {
				end, seen := m.enter(s.memo, pos)
				if end >= 0 {
					m.matched(base, end)
					return end
				}
				if ok = !seen; seen {
					break
				}
			}
			pos, ok = m.span(at, pos)
			at = s.next
		case opSplit:
			next, other := s.nextFirst.allows(m.text, pos), s.otherFirst.allows(m.text, pos)
			if m.memo {
				end, seen := m.enter(s.memo, pos)
				if end >= 0 {
					m.matched(base, end)
					return end
				}
				if ok = !seen; seen {
					break
				}
			}
			switch {
			case next && other:
				m.stack = append(m.stack, frame{s.other, int32(pos), -1})
				at = s.next
			case next:
				at = s.next
			default:
				at, ok = s.other, other
			}
		case opLook:
			ok = m.inner(s.inner, pos) >= 0 != s.negate
			at = s.next
		case opAtomic:
			end := m.inner(s.inner, pos)
			ok = end >= 0
			if at = s.next; end == pos {
				at = s.other
			}
			pos = end
		case opPlace:
			ok = s.where.holds(m.text, pos)
			at = s.next
		case opMatch:
			m.matched(base, pos)
			return pos
		}
		if ok {
			continue
		}
		if at, pos, ok = m.back(base); !ok {
			return -1
		}
	}
}

// inner runs a part whose match is final.
func (m *machine) inner(at int32, pos int) int {
	m.within++
	end := m.run(at, pos)
	m.within--
	return end
}

// span takes a run of characters and leaves the way to give some of them back.
func (m *machine) span(at int32, pos int) (end int, ok bool) {
	s := &m.steps[at]
	count, low := int32(0), -1
	for end = pos; s.max < 0 || count < s.max; count++ {
		if count == s.min {
			low = end
		}
		width := widthIn(s.set, m.text, end)
		if width == 0 {
			break
		}
		end += width
	}
	if count == s.min {
		low = end
	}
	if low < 0 {
		return 0, false
	}
	m.budget -= int(count) >> 2
	if end > low && !s.possessive {
		m.stack = append(m.stack, frame{at, int32(end), int32(low)})
	}
	return end, true
}

// back returns to the last choice that is left above base.
func (m *machine) back(base int) (at int32, pos int, ok bool) {
	for len(m.stack) > base {
		top := len(m.stack) - 1
		f := &m.stack[top]
		switch {
		case f.step < 0:
			m.fail(^f.step, int(f.at))
		case f.low < 0:
			at, pos = f.step, int(f.at)
			m.stack = m.stack[:top]
			return at, pos, true
		case m.giveBack(f):
			return m.steps[f.step].next, int(f.at), true
		}
		m.stack = m.stack[:top]
	}
	return 0, 0, false
}

// giveBack takes characters off a run down to one that what follows can begin with. The
// frame stays, if only to be found empty.
func (m *machine) giveBack(f *frame) bool {
	s := &m.steps[f.step]
	for f.at > f.low {
		width := 1
		if m.text[f.at-1] >= utf8.RuneSelf {
			_, width = utf8.DecodeLastRune(m.text[:f.at])
		}
		if f.at -= int32(width); s.nextFirst.allows(m.text, int(f.at)) {
			return true
		}
	}
	return false
}

// matched leaves a run that has matched. What an inner one has come through leads to
// the same end from wherever it is entered again.
func (m *machine) matched(base, end int) {
	if m.memo && m.within > 0 {
		for _, f := range m.stack[base:] {
			if f.step < 0 {
				m.keep(^f.step, int(f.at), end)
			}
		}
	}
	m.stack = m.stack[:base]
}

// enter marks a state that is about to be tried, unless it is known to lead to an end or,
// seen with end -1, to none.
func (m *machine) enter(memo int32, pos int) (end int, seen bool) {
	if f := m.failed[memo]; f != nil && f[pos/64]>>(pos%64)&1 == 1 {
		return -1, true
	}
	if e := m.ends[memo]; e != nil && e[pos] > 0 {
		return int(e[pos]) - 1, true
	}
	m.stack = append(m.stack, frame{^memo, int32(pos), -1})
	return -1, false
}

func (m *machine) fail(memo int32, pos int) {
	if m.failed[memo] == nil {
		m.failed[memo] = make([]uint64, len(m.text)/64+1)
	}
	m.failed[memo][pos/64] |= 1 << (pos % 64)
}

func (m *machine) keep(memo int32, pos, end int) {
	if m.ends[memo] == nil {
		m.ends[memo] = make([]int32, len(m.text)+1)
	}
	m.ends[memo][pos] = int32(end) + 1
}

// widthIn is the width of the character at a place if it is in the set, else 0. A byte
// that is not UTF-8 counts as U+FFFD.
func widthIn(set *chars.Set, text []byte, at int) int {
	if at >= len(text) {
		return 0
	}
	r, width := rune(text[at]), 1
	if r >= utf8.RuneSelf {
		r, width = utf8.DecodeRune(text[at:])
	}
	if !set.Has(r) {
		return 0
	}
	return width
}

// widthBefore is the same of the character before a place.
func widthBefore(set *chars.Set, text []byte, at int) int {
	r, width := utf8.DecodeLastRune(text[:at])
	if width == 0 || !set.Has(r) {
		return 0
	}
	return width
}

// holds says whether the condition is met at a place.
func (p place) holds(text []byte, at int) bool {
	switch p {
	case lineStart: // a line feed that ends the text begins no line
		return at == 0 || at < len(text) && text[at-1] == '\n'
	case lineEnd:
		return at == len(text) || text[at] == '\n'
	case textStart:
		return at == 0
	case textEnd:
		return at == len(text)
	case lastLine:
		return at == len(text) || at == len(text)-1 && text[at] == '\n'
	}
	before := widthBefore(wordSet, text, at) > 0
	after := widthIn(wordSet, text, at) > 0
	return (before != after) == (p == wordEdge)
}

var wordSet = chars.Word()
