package huggingface

import (
	"bytes"
	"encoding/json"
	"strconv"
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
	model, ok := member(raw, "model")
	if !ok {
		return l, false
	}
	inner := raw[model.from:model.to]
	vocab, ok := member(inner, "vocab")
	if !ok {
		return l, false
	}
	merges, ok := member(inner, "merges")
	if !ok {
		return l, false
	}
	if l.vocab, ok = readVocab(inner[vocab.from:vocab.to]); !ok {
		return l, false
	}
	if l.merges, ok = readMerges(inner[merges.from:merges.to]); !ok {
		return l, false
	}
	first, second, empty := vocab, merges, [2]string{"{}", "[]"}
	if merges.from < vocab.from {
		first, second, empty = merges, vocab, [2]string{"[]", "{}"}
	}
	l.rest = bytes.Join([][]byte{
		raw[:model.from+first.from], []byte(empty[0]),
		raw[model.from+first.to : model.from+second.from], []byte(empty[1]), raw[model.from+second.to:],
	}, nil)
	return l, true
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

// extent is a value's place.
type extent struct{ from, to int }

// member is the value of an object's key, once and to the letter.
func member(raw []byte, key string) (found extent, ok bool) {
	r := lister{raw: raw}
	times := 0
	r.list('{', '}', func() bool {
		name, good := r.text()
		if !good || !r.take(':') {
			return false
		}
		if bytes.EqualFold([]byte(name), []byte(key)) {
			times++
		}
		from := r.at
		if !r.skip() {
			return false
		}
		if name == key {
			found = extent{from, r.at}
		}
		return true
	})
	return found, times == 1 && found.to > 0 && !r.bad
}

func readVocab(raw []byte) (Vocab, bool) {
	r, v := lister{raw: raw}, make(Vocab, len(raw)/32)
	r.list('{', '}', func() bool {
		text, ok := r.text()
		if !ok || !r.take(':') {
			return false
		}
		id, ok := r.id()
		v[text] = id
		return ok
	})
	return v, r.end()
}

func readMerges(raw []byte) ([]Merge, bool) {
	r, merges := lister{raw: raw}, make([]Merge, 0, len(raw)/32)
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
	return merges, r.end()
}

// lister reads JSON that is as simple as it thinks, and says where it is not.
type lister struct {
	raw []byte
	at  int
	bad bool
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

// end reports whether all was read.
func (r *lister) end() bool { return !r.bad && r.peek() == 0 && r.at == len(r.raw) }

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

// text reads a string. One with an escape, or with what is no UTF-8, is encoding/json's.
func (r *lister) text() (string, bool) {
	if r.peek() != '"' {
		return "", false
	}
	from, plain := r.at, true
	for r.at++; r.at < len(r.raw); r.at++ {
		switch c := r.raw[r.at]; {
		case c == '\\':
			plain = false
			r.at++
		case c < ' ':
			return "", false
		case c == '"':
			r.at++
			quoted := r.raw[from:r.at]
			if plain && utf8.Valid(quoted) {
				return string(quoted[1 : len(quoted)-1]), true
			}
			var s string
			err := json.Unmarshal(quoted, &s)
			return s, err == nil
		}
	}
	return "", false
}

// id reads a number of 32 bits that is written as JSON writes one.
func (r *lister) id() (int32, bool) {
	r.peek()
	from := r.at
	for r.at < len(r.raw) && (r.raw[r.at] >= '0' && r.raw[r.at] <= '9' || r.raw[r.at] == '-') {
		r.at++
	}
	text := string(r.raw[from:r.at])
	id, err := strconv.ParseInt(text, 10, 32)
	return int32(id), err == nil && strconv.FormatInt(id, 10) == text
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
			for r.at < len(r.raw) && !bytes.ContainsRune([]byte(" \t\r\n,:{}[]\""), rune(r.raw[r.at])) {
				r.at++
			}
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}
