package python

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Literal is ast.literal_eval of strings, lists and dicts with strings for keys.
func Literal(text string) (any, error) {
	l := literal{rest: text}
	value, err := l.value()
	if err == nil && l.skip() != "" {
		err = errors.New("more follows")
	}
	if err != nil {
		return nil, fmt.Errorf("broken Python literal at byte %d: %w", len(text)-len(l.rest), err)
	}
	return value, nil
}

// literalDepth bounds how deep values may lie in each other.
const literalDepth = 100

type literal struct {
	rest  string
	depth int
}

// skip is what follows white space.
func (l *literal) skip() string {
	l.rest = strings.TrimLeft(l.rest, " \t\r\n")
	return l.rest
}

// take passes over a mark, if it stands there.
func (l *literal) take(mark string) bool {
	rest, ok := strings.CutPrefix(l.skip(), mark)
	l.rest = rest
	return ok
}

func (l *literal) value() (any, error) {
	l.depth++
	defer func() { l.depth-- }()
	switch {
	case l.depth > literalDepth:
		return nil, fmt.Errorf("more than %d values in each other", literalDepth)
	case l.take("["):
		return l.list()
	case l.take("{"):
		return l.dict()
	case l.take("'"):
		return l.text('\'')
	case l.take(`"`):
		return l.text('"')
	}
	return nil, errors.New("want a string, a list or a dict")
}

func (l *literal) list() (any, error) {
	list := []any{}
	for !l.take("]") {
		if len(list) > 0 && !l.take(",") {
			return nil, errors.New("want a comma or bracket")
		}
		if l.take("]") {
			break
		}
		value, err := l.value()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

func (l *literal) dict() (any, error) {
	dict := make(map[string]any)
	for !l.take("}") {
		if len(dict) > 0 && !l.take(",") {
			return nil, errors.New("want a comma or brace")
		}
		if l.take("}") {
			break
		}
		key, err := l.value()
		name, ok := key.(string)
		if err != nil || !ok || !l.take(":") {
			return nil, errors.New("want a string and a colon")
		}
		if dict[name], err = l.value(); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

// escapes are those of one letter.
var escapes = map[byte]string{
	'\\': `\`, '\'': `'`, '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v", '\n': "",
}

// digits are those of the escapes of a code point.
var digits = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// text reads a string behind its first quote.
func (l *literal) text(quote byte) (any, error) {
	var out strings.Builder
	for i := 0; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == quote:
			l.rest = l.rest[i+1:]
			return out.String(), nil
		case c == '\n':
			return nil, errors.New("a line feed within a string")
		case c != '\\':
			out.WriteByte(c)
		case i+1 == len(l.rest):
			return nil, errors.New("it ends within a string")
		default:
			i++
			c = l.rest[i]
			if escaped, ok := escapes[c]; ok {
				out.WriteString(escaped)
				continue
			}
			n := digits[c]
			code, err := strconv.ParseUint(l.rest[i+1:min(i+1+n, len(l.rest))], 16, 32)
			if n == 0 || err != nil || code > utf8.MaxRune {
				return nil, fmt.Errorf("the escape \\%c", c)
			}
			out.WriteRune(rune(code))
			i += n
		}
	}
	return nil, errors.New("it ends within a string")
}
