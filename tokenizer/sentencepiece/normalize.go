package sentencepiece

import (
	"bytes"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/charsmap"
)

// blank is how a space is written in pieces, U+2581.
const blank = "▁"

const blankRune = '▁'

var replacementCharacter = []byte("�")

// normalizer changes text before it is cut.
type normalizer struct {
	Normalizer
	rules *charsmap.Map
	user  *matcher // pieces that are left as they are
}

func newNormalizer(n Normalizer, user *matcher) (*normalizer, error) {
	rules, err := charsmap.New(n.CharsMap)
	if err != nil {
		return nil, err
	}
	return &normalizer{n, rules, user}, nil
}

// plain says that nothing happens to text but the dummy prefix, escaping and
// the replacement of broken UTF-8.
func (n *normalizer) plain() bool {
	return n.rules == nil && n.user == nil && !n.RemoveExtraBlanks && !n.blankSuffix
}

// prefix returns what the first character of text, or the longest rule that
// opens it, becomes, and its width. A byte that is not UTF-8 becomes U+FFFD.
func (n *normalizer) prefix(text []byte) (out []byte, width int) {
	if width = n.user.match(text); width > 0 {
		return text[:width], width
	}
	if n.rules != nil {
		if out, width = n.rules.Longest(text); width > 0 {
			return out, width
		}
	}
	if text[0] < utf8.RuneSelf {
		return text[:1], 1
	}
	r, width := utf8.DecodeRune(text)
	if r == utf8.RuneError && width == 1 {
		return replacementCharacter, 1
	}
	return text[:width], width
}

// place says which ends of a whole text a part of it has.
type place struct{ first, last bool }

// whole is the place of a text that was not cut.
var whole = place{true, true}

func (n *normalizer) appendNormal(dst, text []byte, at place) []byte {
	start := len(dst)
	space := []byte(" ")
	if n.EscapeBlanks {
		space = []byte(blank)
	}
	if at.first && n.RemoveExtraBlanks {
		for len(text) > 0 {
			out, width := n.prefix(text)
			if string(out) != " " {
				break
			}
			text = text[width:]
		}
	}
	if len(text) == 0 {
		return dst
	}
	if at.first && n.AddDummyPrefix && !n.blankSuffix {
		dst = append(dst, space...)
	}
	afterSpace := at.first && n.RemoveExtraBlanks
	for len(text) > 0 {
		out, width := n.prefix(text)
		text = text[width:]
		for afterSpace && len(out) > 0 && out[0] == ' ' {
			out = out[1:]
		}
		if len(out) > 0 {
			for _, b := range out {
				if b == ' ' {
					dst = append(dst, space...)
				} else {
					dst = append(dst, b)
				}
			}
			afterSpace = out[len(out)-1] == ' '
		}
		if !n.RemoveExtraBlanks {
			afterSpace = false
		}
	}
	if at.last && n.RemoveExtraBlanks {
		for len(dst) > start && bytes.HasSuffix(dst[start:], space) {
			dst = dst[:len(dst)-len(space)]
		}
	}
	if at.last && n.AddDummyPrefix && n.blankSuffix {
		dst = append(dst, space...)
	}
	return dst
}
