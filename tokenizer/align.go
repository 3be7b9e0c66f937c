package tokenizer

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Align is where in a text each of its ids begins, in bytes, and last where the text
// ends: ids[i] stands for text[starts[i]:starts[i+1]]. A blank that encoding puts before
// a text takes no bytes, and blanks that an added token eats belong to it. An error is
// text that the tokenizer has changed otherwise, as by a normal form.
func (t *Tokenizer) Align(text []byte, ids []int32) (starts []int, err error) {
	starts = make([]int, len(ids)+1)
	at := 0
	for i, id := range ids {
		token := t.Token(id)
		n, ok := matched(text[at:], token)
		if !ok && at < len(text) { // an added token has eaten blanks before it
			blanks := len(text[at:]) - len(bytes.TrimLeft(text[at:], " \t\r\n"))
			if n, ok = matched(text[at+blanks:], token); ok {
				at += blanks
			}
		}
		if !ok {
			return nil, fmt.Errorf("tokenizer: id %d (%q) is not what stands at byte %d of the text: %q", id, token, at, firstOf(text[at:]))
		}
		starts[i] = at
		at += n
	}
	starts[len(ids)] = at
	if rest := bytes.TrimSpace(text[at:]); len(rest) > 0 {
		return nil, fmt.Errorf("tokenizer: the ids end before byte %d of the text: %q", at, firstOf(rest))
	}
	starts[len(ids)] = len(text)
	return starts, nil
}

// matched is how many bytes of a text a token stands for that it begins with, but for
// blanks before the token that are not in the text.
func matched(text, token []byte) (n int, ok bool) {
	for ; ; token = token[1:] {
		if bytes.HasPrefix(text, token) {
			return len(token), true
		}
		if len(token) == 0 || token[0] != ' ' {
			return 0, false
		}
	}
}

// firstOf is the beginning of a text for a message.
func firstOf(text []byte) []byte {
	const most = 24
	for i := range text {
		if i >= most && utf8.RuneStart(text[i]) {
			return text[:i]
		}
	}
	return text
}
