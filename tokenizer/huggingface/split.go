package huggingface

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// word is a part of a text on its way through a pre-tokenizer.
type word struct {
	text  []byte
	opens bool // it begins the whole text
}

// from is the part of a word that begins at a place of it.
func (w word) from(start, end int) word { return word{w.text[start:end], w.opens && start == 0} }

// cutStage cuts a word, or changes it. It is given no empty one, and yields none.
type cutStage func(w word, yield func(word))

// span is a part of a word that was found, or lies between such.
type span struct {
	start, end int
	found      bool
}

// behaviors say what becomes of the matches of a Split. Its invert takes what lies
// between matches for matches, and the other way round.
var behaviors = map[string]func([]span) []span{
	"Isolated": func(all []span) []span { return all },
	"Removed":  removed,
	"Contiguous": func(all []span) []span {
		return joined(all, func(s, before span) bool { return s.found == before.found })
	},
	"MergedWithPrevious": func(all []span) []span {
		return joined(all, func(s, before span) bool { return s.found && !before.found })
	},
	"MergedWithNext": mergedWithNext,
}

func newSplit(find finder, behavior string, invert bool) (cutStage, error) {
	arrange, ok := behaviors[behavior]
	if !ok {
		return nil, fmt.Errorf("%w: behavior %q", ErrKind, behavior)
	}
	if behavior == "Isolated" {
		return isolated(find), nil // inverted it is the same
	}
	return func(w word, yield func(word)) {
		var all []span
		from := 0
		add := func(start, end int, found bool) {
			all = append(all, span{start, end, found != invert})
		}
		find.All(w.text, func(start, end int) {
			if start > from {
				add(from, start, false)
			}
			add(start, end, true)
			from = end
		})
		if from < len(w.text) {
			add(from, len(w.text), false)
		}
		for _, s := range arrange(all) {
			if s.end > s.start {
				yield(w.from(s.start, s.end))
			}
		}
	}, nil
}

// isolated makes a word of each match and of what lies between. An empty match cuts,
// too.
func isolated(find finder) cutStage {
	return func(w word, yield func(word)) {
		from := 0
		find.All(w.text, func(start, end int) {
			if start > from {
				yield(w.from(from, start))
			}
			if end > start {
				yield(w.from(start, end))
			}
			from = end
		})
		if from < len(w.text) {
			yield(w.from(from, len(w.text)))
		}
	}
}

func removed(all []span) []span {
	kept := all[:0]
	for _, s := range all {
		if !s.found {
			kept = append(kept, s)
		}
	}
	return kept
}

// joined joins a span to the one before it, where belongs says so. Before the first
// stands one that is not found.
func joined(all []span, belongs func(s, before span) bool) []span {
	var out []span
	before := span{}
	for _, s := range all {
		if n := len(out); n > 0 && belongs(s, before) {
			out[n-1].end = s.end
		} else {
			out = append(out, s)
		}
		before = s
	}
	return out
}

func mergedWithNext(all []span) []span {
	var out []span // the last first
	before := span{}
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		if n := len(out); n > 0 && s.found && !before.found {
			out[n-1].start = s.start
		} else {
			out = append(out, s)
		}
		before = s
	}
	slices.Reverse(out)
	return out
}

// characters finds each character of a set.
type characters struct{ *chars.Set }

// All implements finder.
func (c characters) All(text []byte, yield func(start, end int)) {
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRune(text[at:])
		if c.Has(r) {
			yield(at, at+width)
		}
		at += width
	}
}

// blanklessRuns finds what the pre-tokenizer Whitespace keeps: words, and runs of
// characters that are neither of words nor blank.
type blanklessRuns struct{}

// All implements finder.
func (blanklessRuns) All(text []byte, yield func(start, end int)) {
	const (
		blank = iota
		wordly
		other
	)
	start, kind := 0, blank
	for at := 0; at <= len(text); {
		k, width := blank, 1
		if at < len(text) {
			var r rune
			r, width = utf8.DecodeRune(text[at:])
			switch {
			case chars.WordBoundary().Has(r):
				k = wordly
			case !white.Has(r):
				k = other
			}
		}
		if k != kind {
			if kind != blank {
				yield(start, at)
			}
			start, kind = at, k
		}
		at += width
	}
}
