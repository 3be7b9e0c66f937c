package pattern

import "unicode/utf8"

// firsts are the bytes that a match can begin with; nil for a match that may be empty.
type firsts [256]bool

// allows says whether a match can begin at a place.
func (f *firsts) allows(text []byte, at int) bool {
	return f == nil || at < len(text) && f[text[at]]
}

// setFirsts tells every choice which of its ways can lead anywhere.
func setFirsts(steps []step) {
	known := make(map[int32]*firsts)
	for i := range steps {
		switch s := &steps[i]; s.op {
		case opSplit:
			s.nextFirst, s.otherFirst = firstsOf(steps, s.next, known), firstsOf(steps, s.other, known)
		case opRun:
			s.nextFirst = firstsOf(steps, s.next, known)
		}
	}
}

func firstsOf(steps []step, at int32, known map[int32]*firsts) *firsts {
	if f, ok := known[at]; ok {
		return f
	}
	f := &firsts{}
	if !f.add(steps, at, make(map[int32]bool)) {
		f = nil
	}
	known[at] = f
	return f
}

// add adds what can follow a step; it is false where a match may end there, or look
// elsewhere.
func (f *firsts) add(steps []step, at int32, seen map[int32]bool) bool {
	if seen[at] {
		return true
	}
	seen[at] = true
	switch s := &steps[at]; s.op {
	case opChar:
		f.addSet(s)
		return true
	case opRun:
		f.addSet(s)
		return s.min > 0 || f.add(steps, s.next, seen)
	case opSplit:
		return f.add(steps, s.next, seen) && f.add(steps, s.other, seen)
	case opLook, opPlace:
		return f.add(steps, s.next, seen) // a condition only leaves less
	}
	return false
}

func (f *firsts) addSet(s *step) {
	for _, r := range s.set.Ranges() {
		for b := max(r.Lo, 0); b <= min(r.Hi, utf8.RuneSelf-1); b++ {
			f[b] = true
		}
		if r.Hi >= utf8.RuneSelf {
			low := utf8.AppendRune(nil, max(r.Lo, utf8.RuneSelf))[0]
			high := utf8.AppendRune(nil, r.Hi)[0]
			for b := int(low); b <= int(high); b++ {
				f[b] = true
			}
		}
	}
	if s.set.Has(utf8.RuneError) { // as which broken UTF-8 counts
		for b := utf8.RuneSelf; b < 256; b++ {
			f[b] = true
		}
	}
}
