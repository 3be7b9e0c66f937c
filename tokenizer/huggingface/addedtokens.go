package huggingface

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// addedTokens finds the tokens that are cut out of a text before anything else: of those
// that start at the leftmost place the longest.
type addedTokens struct {
	tokens   []AddedToken // by text
	byFirst  [256][2]int  // where those are that begin with a byte
	cuttable bool         // no token minds what stands around it, or holds a blank
}

func newAddedTokens(tokens []AddedToken) (*addedTokens, error) {
	a := &addedTokens{cuttable: true, tokens: slices.Clone(tokens)}
	slices.SortFunc(a.tokens, func(x, y AddedToken) int { return cmp.Compare(x.Content, y.Content) })
	for i, t := range a.tokens {
		if t.Content == "" {
			return nil, fmt.Errorf("added token %d is normalized to nothing", t.ID)
		}
		if i > 0 && t.Content == a.tokens[i-1].Content {
			return nil, fmt.Errorf("added tokens %d and %d are both %q when normalized", a.tokens[i-1].ID, t.ID, t.Content)
		}
		group := &a.byFirst[t.Content[0]]
		if group[1] == 0 {
			group[0] = i
		}
		group[1] = i + 1
		if t.LStrip || t.RStrip || t.SingleWord || strings.Contains(t.Content, " ") {
			a.cuttable = false
		}
	}
	return a, nil
}

// split calls yield with the parts of text: plain ones with id -1, and the ids of added
// tokens. What is found and not wanted (a part of a word, or in an ordinary text a
// special token) is skipped as a whole: shorter tokens in it are not looked for. A token
// that begins with the blanks that one before it has eaten is found all the same.
func (a *addedTokens) split(text []byte, ordinary bool, yield func(plain []byte, id int32)) {
	from := 0
	eaten := [2]int{0, -1} // blanks behind a token, from where to where
	for at := 0; at < len(text) && len(a.tokens) > 0; {
		t := a.longest(text[at:])
		if t == nil {
			at++
			continue
		}
		start, end := at, at+len(t.Content)
		at = end
		if ordinary && t.Special || t.SingleWord && (wordBefore(text[:start]) || wordAfter(text[end:])) {
			continue
		}
		if t.LStrip {
			start = from + len(trimRight(text[from:max(start, from)]))
		}
		if t.RStrip {
			if end < eaten[0] || end > eaten[1] {
				eaten = [2]int{end, len(text) - len(trimLeft(text[end:]))}
			}
			end = eaten[1]
		}
		if start > from {
			yield(text[from:start], -1)
		}
		yield(nil, t.ID)
		from = end
	}
	if from < len(text) {
		yield(text[from:], -1)
	}
}

// longest is the longest token that opens a text, nil for none.
func (a *addedTokens) longest(text []byte) (found *AddedToken) {
	low, high := a.byFirst[text[0]][0], a.byFirst[text[0]][1]
	for n := 1; low < high; n++ { // those from low to high begin with n bytes of text
		if len(a.tokens[low].Content) == n {
			found = &a.tokens[low]
			low++
		}
		if n == len(text) {
			break
		}
		group := a.tokens[low:high]
		high = low + sort.Search(len(group), func(i int) bool { return group[i].Content[n] > text[n] })
		low += sort.Search(len(group), func(i int) bool { return group[i].Content[n] >= text[n] })
	}
	return found
}

// white are the characters that are stripped.
var white = chars.Space()

func trimLeft(text []byte) []byte {
	for len(text) > 0 {
		r, width := utf8.DecodeRune(text)
		if !white.Has(r) {
			break
		}
		text = text[width:]
	}
	return text
}

func trimRight(text []byte) []byte {
	for len(text) > 0 {
		r, width := utf8.DecodeLastRune(text)
		if !white.Has(r) {
			break
		}
		text = text[:len(text)-width]
	}
	return text
}

func wordBefore(text []byte) bool {
	r, width := utf8.DecodeLastRune(text)
	return width > 0 && chars.WordBoundary().Has(r)
}

func wordAfter(text []byte) bool {
	r, width := utf8.DecodeRune(text)
	return width > 0 && chars.WordBoundary().Has(r)
}
