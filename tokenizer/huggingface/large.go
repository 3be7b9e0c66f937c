package huggingface

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

// A tokenizer.json is nearly all vocabulary and merges. encoding/json reads them five
// times, for each object that has an UnmarshalJSON of its own checks what is below it
// again; so the two lists are read here, once, and the rest of the file without them.
// What is not as the library writes it (a key twice or in other case, numbers that are no
// ids, a list of pieces) is left to encoding/json whole, which also says what is wrong.

// large is a file's vocabulary and merges, and the file without them.
type large struct {
	vocab  Vocab
	merges []Merge
	rest   []byte
}

// readLarge reports whether the file's lists could be read.
func readLarge(raw []byte) (l large, ok bool) {
	if !utf8.Valid(raw) {
		return l, false
	}
	r := lister{raw: string(raw)}
	var cuts []cut // the lists' places, in order
	list := func(empty string, read func() bool) func() bool {
		return func() bool {
			from := r.at
			ok := read()
			cuts = append(cuts, cut{from, r.at, empty})
			return ok
		}
	}
	if !r.fields(map[string]func() bool{"model": func() bool {
		return r.fields(map[string]func() bool{
			"vocab":  list("{}", func() (ok bool) { l.vocab, ok = r.vocab(); return ok }),
			"merges": list("[]", func() (ok bool) { l.merges, ok = r.merges(); return ok }),
		})
	}}) {
		return l, false
	}
	at := 0
	for _, c := range cuts {
		l.rest = append(append(l.rest, raw[at:c.from]...), c.empty...)
		at = c.to
	}
	l.rest = append(l.rest, raw[at:]...)
	return l, true
}

// cut is a value's place, and what stands there in the rest.
type cut struct {
	from, to int
	empty    string
}

// put gives the lists to the file that was read without them.
func (l large) put(f *File) {
	if f.Model.Vocab != nil { // of a kind that has them
		f.Model.Vocab = l.vocab
	}
	if f.Model.Merges != nil {
		f.Model.Merges = l.merges
	}
}

// lister reads JSON that is as simple as it thinks, and says where it is not. Its strings
// are parts of the file's one.
type lister struct {
	raw string // valid UTF-8
	at  int
	bad bool
}

// fields reads an object of whose keys those of read come once each and to the letter.
func (r *lister) fields(read map[string]func() bool) bool {
	seen := map[string]bool{}
	r.list('{', '}', func() bool {
		key, ok := r.text()
		if !ok || !r.take(':') {
			return false
		}
		for name, f := range read {
			if !strings.EqualFold(key, name) {
				continue
			}
			if key != name || seen[name] {
				return false
			}
			seen[name] = true
			return f()
		}
		return r.skip()
	})
	return !r.bad && len(seen) == len(read)
}

func (r *lister) vocab() (Vocab, bool) {
	v := make(Vocab, (len(r.raw)-r.at)/64)
	r.list('{', '}', func() bool {
		text, ok := r.text()
		if !ok || !r.take(':') {
			return false
		}
		id, ok := r.id()
		v[text] = id
		return ok
	})
	return v, !r.bad
}

func (r *lister) merges() ([]Merge, bool) {
	merges := make([]Merge, 0, (len(r.raw)-r.at)/32)
	r.list('[', ']', func() bool {
		var m Merge
		if r.peek() == '[' {
			n := 0
			r.list('[', ']', func() (ok bool) {
				if n == len(m) {
					return false
				}
				m[n], ok = r.text()
				n++
				return ok
			})
			merges = append(merges, m)
			return n == len(m) && !r.bad
		}
		text, ok := r.text()
		if !ok {
			return false
		}
		m, err := mergeOf(text)
		merges = append(merges, m)
		return err == nil
	})
	return merges, !r.bad
}

// peek is the next byte behind blanks, 0 at the end.
func (r *lister) peek() byte {
	for r.at < len(r.raw) {
		switch c := r.raw[r.at]; c {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// take reads a byte behind blanks, and the blanks behind it.
func (r *lister) take(c byte) bool {
	if r.peek() != c {
		r.bad = true
		return false
	}
	r.at++
	r.peek()
	return true
}

// list reads values with commas between them, each by f.
func (r *lister) list(open, shut byte, f func() bool) {
	if !r.take(open) {
		return
	}
	for first := true; r.peek() != shut; first = false {
		if !first && !r.take(',') || !f() {
			r.bad = true
			return
		}
	}
	r.at++
}

// text reads a string. One with an escape is encoding/json's.
func (r *lister) text() (string, bool) {
	if r.peek() != '"' {
		return "", false
	}
	from, plain := r.at, true
	for r.at++; r.at < len(r.raw); r.at++ {
		switch c := r.raw[r.at]; {
		case c == '"':
			r.at++
			if plain {
				return r.raw[from+1 : r.at-1], true
			}
			var s string
			err := json.Unmarshal([]byte(r.raw[from:r.at]), &s)
			return s, err == nil
		case c == '\\':
			plain = false
			r.at++
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// id reads a number of 32 bits that is written as JSON writes one.
func (r *lister) id() (int32, bool) {
	r.peek()
	from, id := r.at, int64(0)
	for ; r.at < len(r.raw) && r.raw[r.at]-'0' <= 9; r.at++ {
		if id = 10*id + int64(r.raw[r.at]-'0'); id > math.MaxInt32 {
			return 0, false
		}
	}
	digits := r.at - from
	return int32(id), digits == 1 || digits > 1 && r.raw[from] != '0'
}

// skip goes behind a value, whatever it is.
func (r *lister) skip() bool {
	for depth := 0; ; {
		switch c := r.peek(); c {
		case 0:
			return false
		case '"':
			for r.at++; r.at < len(r.raw) && r.raw[r.at] != '"'; r.at++ {
				if r.raw[r.at] == '\\' {
					r.at++
				}
			}
			if r.at >= len(r.raw) {
				return false
			}
			r.at++
		case '{', '[':
			depth++
			r.at++
		case '}', ']':
			depth--
			r.at++
		case ',', ':':
			if depth == 0 {
				return false
			}
			r.at++
		default:
			for r.at < len(r.raw) && strings.IndexByte(" \t\r\n,:{}[]\"", r.raw[r.at]) < 0 {
				r.at++
			}
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}
