package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// The JSON that Python's json module reads: RFC 8259 with NaN, Infinity and
// -Infinity as numbers. encoding/json refuses those, and takes the key Text for
// the field text.

// jsonDepth bounds how deep values may lie in each other.
const jsonDepth = 10000

// errCutShort is the error of JSON that ends within a value.
var errCutShort = errors.New("it ends within a value")

// brokenJSON says where a text stops being JSON.
type brokenJSON struct {
	at  int // bytes from the text's beginning
	err error
}

func (e *brokenJSON) Error() string { return fmt.Sprintf("broken JSON at byte %d: %v", e.at, e.err) }

func (e *brokenJSON) Unwrap() error { return e.err }

func broken(text []byte, at int, want string) error {
	if at >= len(text) {
		return &brokenJSON{len(text), errCutShort}
	}
	return &brokenJSON{at, fmt.Errorf("%q where %s is wanted", text[at], want)}
}

func skipBlanks(text []byte, at int) int {
	for at < len(text) && isBlank(text[at]) {
		at++
	}
	return at
}

func isBlank(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// jsonWords are the values that are words, by their first letter.
var jsonWords = map[byte][]byte{
	'n': []byte("null"), 't': []byte("true"), 'f': []byte("false"),
	'N': []byte("NaN"), 'I': []byte("Infinity"), '-': []byte("-Infinity"),
}

// skipValue returns where the value that begins at a place ends.
func skipValue(text []byte, at, depth int) (int, error) {
	if depth > jsonDepth {
		return at, &brokenJSON{at, fmt.Errorf("more than %d values in each other", jsonDepth)}
	}
	if at >= len(text) {
		return at, broken(text, at, "a value")
	}
	switch text[at] {
	case '"':
		return skipString(text, at)
	case '{':
		return eachMember(text, at, depth, nil)
	case '[':
		return eachElement(text, at, depth, nil)
	}
	if word, ok := jsonWords[text[at]]; ok {
		if bytes.HasPrefix(text[at:], word) {
			return at + len(word), nil
		}
		if bytes.HasPrefix(word, text[at:]) {
			return at, &brokenJSON{len(text), errCutShort}
		}
	}
	return skipNumber(text, at)
}

func skipNumber(text []byte, at int) (int, error) {
	i := at
	if i < len(text) && text[i] == '-' {
		i++
	}
	switch {
	case i < len(text) && text[i] == '0':
		i++
	default:
		end := skipDigits(text, i)
		if end == i {
			return i, broken(text, i, "a value")
		}
		i = end
	}
	if i < len(text) && text[i] == '.' {
		end := skipDigits(text, i+1)
		if end == i+1 {
			return end, broken(text, end, "a digit")
		}
		i = end
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		end := skipDigits(text, i)
		if end == i {
			return end, broken(text, end, "a digit")
		}
		i = end
	}
	return i, nil
}

func skipDigits(text []byte, at int) int {
	for at < len(text) && text[at] >= '0' && text[at] <= '9' {
		at++
	}
	return at
}

// skipString returns where the string ends whose first quote stands at a place.
func skipString(text []byte, at int) (int, error) {
	for i := at + 1; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			return i + 1, nil
		case c < ' ':
			return i, &brokenJSON{i, fmt.Errorf("%q within a string", c)}
		case c != '\\':
			i++
		default:
			n, err := skipEscape(text, i)
			if err != nil {
				return i, err
			}
			i = n
		}
	}
	return len(text), &brokenJSON{len(text), errCutShort}
}

func skipEscape(text []byte, at int) (int, error) {
	if at+1 >= len(text) {
		return at, &brokenJSON{len(text), errCutShort}
	}
	if text[at+1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), text[at+1]) < 0 {
			return at, broken(text, at+1, `one of "\/bfnrtu`)
		}
		return at + 2, nil
	}
	for i := at + 2; i < at+6; i++ {
		if i >= len(text) || hexDigit(text[i]) < 0 {
			return at, broken(text, i, "a hexadecimal digit")
		}
	}
	return at + 6, nil
}

func hexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// eachMember calls yield, which may be nil, for each key and value of the object
// at a place, in order, and returns where the object ends. key is without its
// quotes.
func eachMember(text []byte, at, depth int, yield func(key, value []byte)) (int, error) {
	i := skipBlanks(text, at+1)
	if i < len(text) && text[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(text) || text[i] != '"' {
			return i, broken(text, i, "a key")
		}
		end, err := skipString(text, i)
		if err != nil {
			return end, err
		}
		key := text[i+1 : end-1]
		if i = skipBlanks(text, end); i >= len(text) || text[i] != ':' {
			return i, broken(text, i, "a colon")
		}
		from := skipBlanks(text, i+1)
		if i, err = skipValue(text, from, depth+1); err != nil {
			return i, err
		}
		if yield != nil {
			yield(key, text[from:i])
		}
		if i = skipBlanks(text, i); i < len(text) && text[i] == '}' {
			return i + 1, nil
		}
		if i >= len(text) || text[i] != ',' {
			return i, broken(text, i, "a comma or brace")
		}
		i = skipBlanks(text, i+1)
	}
}

// eachElement is eachMember for a list.
func eachElement(text []byte, at, depth int, yield func(value []byte)) (int, error) {
	i := skipBlanks(text, at+1)
	if i < len(text) && text[i] == ']' {
		return i + 1, nil
	}
	for {
		end, err := skipValue(text, i, depth+1)
		if err != nil {
			return end, err
		}
		if yield != nil {
			yield(text[i:end])
		}
		if i = skipBlanks(text, end); i < len(text) && text[i] == ']' {
			return i + 1, nil
		}
		if i >= len(text) || text[i] != ',' {
			return i, broken(text, i, "a comma or bracket")
		}
		i = skipBlanks(text, i+1)
	}
}

// wholeValue returns the one value that a text is, without blanks around it.
func wholeValue(text []byte) ([]byte, error) {
	from := skipBlanks(text, 0)
	end, err := skipValue(text, from, 0)
	if err != nil {
		return nil, err
	}
	if rest := skipBlanks(text, end); rest < len(text) {
		return nil, broken(text, rest, "the end")
	}
	return text[from:end], nil
}

// unquote returns the text of a sound string, which is given without its quotes.
// A surrogate alone becomes U+FFFD.
func unquote(raw []byte) []byte {
	at := bytes.IndexByte(raw, '\\')
	if at < 0 {
		return bytes.Clone(raw)
	}
	out := make([]byte, 0, len(raw))
	for at >= 0 {
		out = append(out, raw[:at]...)
		raw = raw[at:]
		switch raw[1] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, width := unicodeEscape(raw)
			out = utf8.AppendRune(out, r)
			raw = raw[width-2:]
		default:
			out = append(out, raw[1])
		}
		raw = raw[2:]
		at = bytes.IndexByte(raw, '\\')
	}
	return append(out, raw...)
}

// unicodeEscape reads \uXXXX, or two of them that are a pair of surrogates.
func unicodeEscape(raw []byte) (r rune, width int) {
	r = fourDigits(raw)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, fourDigits(raw[6:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func fourDigits(raw []byte) (r rune) {
	for _, c := range raw[2:6] {
		r = r<<4 | hexDigit(c)
	}
	return r
}

// keyIs says whether a key is a name: to the letter, whatever case.
func keyIs(key []byte, name string) bool {
	if bytes.IndexByte(key, '\\') >= 0 {
		key = unquote(key)
	}
	return string(key) == name
}
