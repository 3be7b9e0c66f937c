package huggingface

import (
	"cmp"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// addedTokens finds the tokens that are cut out of a text before anything
// else: of those that start at the leftmost place the longest.
type addedTokens struct {
	byFirst  [256][]AddedToken // longest first
	any      bool
	cuttable bool // no token minds what stands around it, or holds a blank
}

func newAddedTokens(tokens []AddedToken) (*addedTokens, error) {
	a := &addedTokens{cuttable: true}
	for _, t := range tokens {
		if t.Content == "" {
			return nil, fmt.Errorf("added token %d is empty", t.ID)
		}
		a.any = true
		a.byFirst[t.Content[0]] = append(a.byFirst[t.Content[0]], t)
		if t.LStrip || t.RStrip || t.SingleWord || slices.Contains([]byte(t.Content), ' ') {
			a.cuttable = false
		}
	}
	for _, group := range a.byFirst {
		slices.SortStableFunc(group, func(x, y AddedToken) int { return cmp.Compare(len(y.Content), len(x.Content)) })
	}
	return a, nil
}

// split calls yield with the parts of text: plain ones with id -1, and the
// ids of added tokens.
func (a *addedTokens) split(text []byte, yield func(plain []byte, id int32)) {
	from := 0
	for at := 0; a.any && at < len(text); {
		t := a.at(text, at)
		if t == nil {
			at++
			continue
		}
		start, end := at, at+len(t.Content)
		at = end
		if t.SingleWord && (wordBefore(text[:start]) || wordAfter(text[end:])) {
			continue
		}
		if t.LStrip {
			for start > from {
				r, width := utf8.DecodeLastRune(text[from:start])
				if !unicode.IsSpace(r) {
					break
				}
				start -= width
			}
		}
		if t.RStrip {
			for end < len(text) {
				r, width := utf8.DecodeRune(text[end:])
				if !unicode.IsSpace(r) {
					break
				}
				end += width
			}
			at = end
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

func (a *addedTokens) at(text []byte, at int) *AddedToken {
	group := a.byFirst[text[at]]
	for i := range group {
		if rest := text[at:]; len(rest) >= len(group[i].Content) && string(rest[:len(group[i].Content)]) == group[i].Content {
			return &group[i]
		}
	}
	return nil
}

func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Pc, r)
}

func wordBefore(text []byte) bool {
	r, width := utf8.DecodeLastRune(text)
	return width > 0 && isWord(r)
}

func wordAfter(text []byte) bool {
	r, width := utf8.DecodeRune(text)
	return width > 0 && isWord(r)
}
