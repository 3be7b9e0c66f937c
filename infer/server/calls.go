package server

import (
	"encoding/json"
	"strings"
)

// What stands between the name of a call and its arguments, as [grammar.Tools] has it.
const (
	beforeName      = `{"name": `
	beforeArguments = `, "arguments": `
)

// place is where in an answer with calls the text is.
type place int

const (
	inText place = iota
	inName
	inArguments
	behindCall
)

// callReader parts an answer, as it comes, into text and calls.
type callReader struct {
	use     toolUse
	place   place
	waiting string // may be the beginning of a mark, or a name
	begun   bool   // something else than a blank was there
	depth   int    // of braces in the arguments
	quote   bool   // in a string of them
	escape  bool   // behind its backslash
	calls   int
}

// delta is what is new of an answer: text, and calls.
type delta struct {
	content string
	calls   []callPart
}

// callPart is a part of a call: its name, or more of its arguments.
type callPart struct {
	index           int
	name, arguments string
}

func (d *delta) empty() bool { return d.content == "" && len(d.calls) == 0 }

// feed takes what comes next.
func (r *callReader) feed(text string) (d delta) {
	r.waiting += text
	for r.step(&d) {
	}
	return d
}

// flush gives out what waited for the rest of a mark that did not come.
func (r *callReader) flush() (d delta) {
	if r.place == inText {
		d.content = r.waiting
	}
	r.waiting = ""
	return d
}

// step goes on by a part of what waits, and reports whether more may follow.
func (r *callReader) step(d *delta) bool {
	switch r.place {
	case inText:
		return r.text(d)
	case inName:
		name, rest, ok := strings.Cut(r.waiting, beforeArguments)
		if !ok {
			return false
		}
		var text string
		_ = json.Unmarshal([]byte(name), &text) // as the grammar has it
		d.calls = append(d.calls, callPart{index: r.calls, name: text})
		r.waiting, r.place = rest, inArguments
		return true
	case inArguments:
		return r.arguments(d)
	}
	_, rest, ok := strings.Cut(r.waiting, r.use.begin+beforeName)
	if r.use.begin == "" || !ok {
		return false
	}
	r.waiting, r.place = rest, inName
	return true
}

// text is what stands before the first call.
func (r *callReader) text(d *delta) bool {
	mark := r.use.begin + beforeName
	if r.use.begin == "" {
		text := strings.TrimLeft(r.waiting, " ")
		switch {
		case !r.begun && strings.HasPrefix(text, mark):
			r.waiting, r.place = text[len(mark):], inName
			return true
		case !r.begun && strings.HasPrefix(mark, text):
			return false
		}
		r.begun = true
		d.content += r.waiting
		r.waiting = ""
		return false
	}
	if before, rest, ok := strings.Cut(r.waiting, mark); ok {
		if strings.TrimSpace(before) != "" || r.begun {
			d.content += before
		}
		r.waiting, r.place = rest, inName
		return true
	}
	keep := 0
	for n := min(len(mark)-1, len(r.waiting)); n > 0 && keep == 0; n-- {
		if strings.HasSuffix(r.waiting, mark[:n]) {
			keep = n
		}
	}
	if ready := r.waiting[:len(r.waiting)-keep]; strings.TrimSpace(ready) != "" || r.begun {
		d.content += ready
		r.waiting, r.begun = r.waiting[len(ready):], true
	}
	return false
}

// arguments goes on to the brace that closes them.
func (r *callReader) arguments(d *delta) bool {
	end := len(r.waiting)
	for i := range len(r.waiting) {
		switch c := r.waiting[i]; {
		case r.escape:
			r.escape = false
		case r.quote:
			r.escape, r.quote = c == '\\', c != '"'
		case c == '"':
			r.quote = true
		case c == '{':
			r.depth++
		case c == '}':
			r.depth--
		}
		if r.depth == 0 && !r.quote && r.waiting[i] == '}' {
			end, r.place = i+1, behindCall
			break
		}
	}
	if end > 0 {
		d.calls = append(d.calls, callPart{index: r.calls, arguments: r.waiting[:end]})
	}
	r.waiting = r.waiting[end:]
	if r.place == behindCall {
		r.calls++
		return true
	}
	return false
}
