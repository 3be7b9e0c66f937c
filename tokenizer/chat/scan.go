package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	text   kind = iota // between tags, white space trimmed
	tag                // {{ or {%
	closer             // }} or %}
	name
	number
	quoted // decoded
	symbol
	end
)

type token struct {
	kind kind
	text string
	line int
}

// scanner cuts a template into tokens by the rules of jinja2's lexer with
// trim_blocks and lstrip_blocks: of one line break after %} or #} nothing is left,
// nor of the white space before {% or {# on its line; a minus takes all white space
// on its side, a plus keeps it.
type scanner struct {
	src    string
	pos    int
	tokens []token
}

// syntaxError ends scanning and parsing by panic; [Parse] returns it.
type syntaxError struct {
	line int
	what string
}

func (e syntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.what) }

func scan(source string) []token {
	source = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(source)
	s := &scanner{src: strings.TrimSuffix(source, "\n")}
	for s.pos < len(s.src) {
		s.data()
	}
	s.add(end, "")
	return s.tokens
}

func (s *scanner) line() int { return 1 + strings.Count(s.src[:min(s.pos, len(s.src))], "\n") }

func (s *scanner) fail(format string, args ...any) {
	panic(syntaxError{s.line(), fmt.Sprintf(format, args...)})
}

func (s *scanner) add(k kind, text string) {
	line := 1
	if n := len(s.tokens); n > 0 {
		line = s.tokens[n-1].line
	}
	if k == tag || k == end {
		line = s.line()
	}
	s.tokens = append(s.tokens, token{k, text, line})
}

func (s *scanner) addText(t string) {
	if t != "" {
		s.add(text, t)
	}
}

// sign takes the + or - of a tag.
func (s *scanner) sign() byte {
	if c := s.at(0); c == '-' || c == '+' {
		s.pos++
		return c
	}
	return 0
}

func (s *scanner) at(i int) byte {
	if s.pos+i >= len(s.src) {
		return 0
	}
	return s.src[s.pos+i]
}

// before trims the text from start to stop as the sign of the tag behind it says.
func (s *scanner) before(start, stop int, sign byte, output bool) string {
	t := s.src[start:stop]
	if sign == '-' {
		return strings.TrimRightFunc(t, unicode.IsSpace)
	}
	if sign == '+' || output {
		return t
	}
	lineStart := strings.LastIndexByte(t, '\n') + 1
	begins := lineStart > 0 || start == 0 || s.src[start-1] == '\n'
	if begins && strings.TrimSpace(t[lineStart:]) == "" {
		return t[:lineStart]
	}
	return t
}

// after skips what a tag's end with a sign takes of the text behind it.
func (s *scanner) after(sign byte, output bool) {
	switch {
	case sign == '-':
		rest := strings.TrimLeftFunc(s.src[s.pos:], unicode.IsSpace)
		s.pos = len(s.src) - len(rest)
	case sign == 0 && !output && s.at(0) == '\n':
		s.pos++
	}
}

// data is text up to the next tag, and the tag.
func (s *scanner) data() {
	start := s.pos
	for {
		i := strings.IndexByte(s.src[s.pos:], '{')
		if i < 0 {
			s.addText(s.src[start:])
			s.pos = len(s.src)
			return
		}
		s.pos += i
		if c := s.at(1); c == '{' || c == '%' || c == '#' {
			break
		}
		s.pos++
	}
	stop, open := s.pos, s.src[s.pos:s.pos+2]
	s.pos += 2
	sign := s.sign()
	s.addText(s.before(start, stop, sign, open == "{{"))
	switch {
	case open == "{#":
		s.comment()
	case open == "{%" && s.raw():
	default:
		s.add(tag, open)
		s.inside(map[string]string{"{{": "}}", "{%": "%}"}[open])
	}
}

func (s *scanner) comment() {
	i := strings.Index(s.src[s.pos:], "#}")
	if i < 0 {
		s.fail("a comment has no end")
	}
	var sign byte
	if i > 0 && strings.IndexByte("+-", s.src[s.pos+i-1]) >= 0 {
		sign = s.src[s.pos+i-1]
	}
	s.pos += i + 2
	s.after(sign, false)
}

// raw takes a raw block whose {% is read.
func (s *scanner) raw() bool {
	rest := strings.TrimLeftFunc(s.src[s.pos:], unicode.IsSpace)
	rest, ok := strings.CutPrefix(rest, "raw")
	if !ok {
		return false
	}
	rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
	sign := byte('+') // a line break behind the tag stays
	if strings.HasPrefix(rest, "-") {
		sign, rest = '-', rest[1:]
	}
	if !strings.HasPrefix(rest, "%}") {
		return false
	}
	s.pos = len(s.src) - len(rest) + 2
	s.after(sign, false)
	start := s.pos
	for {
		i := strings.Index(s.src[s.pos:], "{%")
		if i < 0 {
			s.fail("a raw block has no end")
		}
		stop := s.pos + i
		s.pos = stop + 2
		sign := s.sign()
		rest, ok := strings.CutPrefix(strings.TrimLeftFunc(s.src[s.pos:], unicode.IsSpace), "endraw")
		if !ok {
			continue
		}
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		s.pos = len(s.src) - len(rest)
		closing := s.sign()
		if !strings.HasPrefix(s.src[s.pos:], "%}") {
			continue
		}
		s.addText(s.before(start, stop, sign, false))
		s.pos += 2
		s.after(closing, false)
		return true
	}
}

var symbols = []string{
	"==", "!=", "<=", ">=", "**", "//",
	"+", "-", "*", "/", "%", "<", ">", "=", "~", "|", ".", ",", ":", "(", ")", "[", "]", "{", "}",
}

// inside scans a tag up to its closer, which brackets hide.
func (s *scanner) inside(closing string) {
	var open []byte
	first := len(s.tokens)
	for {
		for s.pos < len(s.src) && strings.IndexByte(" \t\n\v\f", s.src[s.pos]) >= 0 {
			s.pos++
		}
		if s.pos >= len(s.src) {
			s.fail("a tag has no %s", closing)
		}
		if len(s.tokens)-first > maxTokens {
			s.fail("a tag has more than %d tokens", maxTokens)
		}
		if len(open) == 0 && s.close(closing) {
			return
		}
		c := s.src[s.pos]
		switch {
		case c == '\'' || c == '"':
			s.quoted(c)
		case c >= '0' && c <= '9':
			s.number()
		case c == '_' || c >= utf8.RuneSelf || unicode.IsLetter(rune(c)):
			s.name()
		default:
			i := slices.IndexFunc(symbols, func(p string) bool { return strings.HasPrefix(s.src[s.pos:], p) })
			if i < 0 {
				s.fail("unexpected character %q", c)
			}
			open = s.balance(open, symbols[i])
			s.add(symbol, symbols[i])
			s.pos += len(symbols[i])
		}
	}
}

// close takes the closer, where it is.
func (s *scanner) close(closing string) bool {
	i := 0
	sign := s.at(0)
	if sign == '-' || sign == '+' && closing == "%}" {
		i = 1
	} else {
		sign = 0
	}
	if !strings.HasPrefix(s.src[s.pos+i:], closing) {
		return false
	}
	s.pos += i + 2
	s.add(closer, closing)
	s.after(sign, closing == "}}")
	return true
}

func (s *scanner) balance(open []byte, p string) []byte {
	switch p {
	case "(":
		return append(open, ')')
	case "[":
		return append(open, ']')
	case "{":
		return append(open, '}')
	case ")", "]", "}":
		if n := len(open); n > 0 && open[n-1] == p[0] {
			return open[:n-1]
		}
		s.fail("unexpected %q", p)
	}
	return open
}

func (s *scanner) name() {
	start := s.pos
	for c := s.at(0); c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'; c = s.at(0) {
		s.pos++
	}
	if s.pos == start {
		r, _ := utf8.DecodeRuneInString(s.src[s.pos:])
		s.fail("unexpected character %q", r)
	}
	word := s.src[start:s.pos]
	if strings.HasPrefix(word, own) {
		s.fail("%s: names that begin with %s are reserved", word, own)
	}
	s.add(name, word)
}

func (s *scanner) number() {
	start := s.pos
	digits := func() {
		for c := s.at(0); c >= '0' && c <= '9' || c == '_'; c = s.at(0) {
			s.pos++
		}
	}
	digits()
	if s.at(0) == '.' && s.at(1) >= '0' && s.at(1) <= '9' {
		s.pos++
		digits()
	}
	if c := s.at(0); c == 'e' || c == 'E' {
		sign := 0
		if c := s.at(1); c == '+' || c == '-' {
			sign = 1
		}
		if c := s.at(1 + sign); c >= '0' && c <= '9' {
			s.pos += 1 + sign
			digits()
		}
	}
	s.add(number, strings.ReplaceAll(s.src[start:s.pos], "_", ""))
}

func (s *scanner) quoted(quote byte) {
	start := s.pos + 1
	for s.pos++; s.at(0) != quote; s.pos++ {
		if s.pos >= len(s.src) {
			s.fail("a string has no end")
		}
		if s.at(0) == '\\' {
			s.pos++
		}
	}
	s.add(quoted, s.unescape(s.src[start:s.pos]))
	s.pos++
}

// escapes of one character, as Python's.
var escapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", 'v': "\v", 'a': "\a",
	'\\': "\\", '\'': "'", '"': "\"", '\n': "", '0': "\x00",
}

func (s *scanner) unescape(t string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(t, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		size := map[byte]int{'x': 2, 'u': 4, 'U': 8}[rest[0]]
		one, known := escapes[rest[0]]
		switch {
		case size > 0:
			var r rune
			if len(rest) <= size {
				s.fail(`the escape \%s is cut off`, rest)
			}
			if _, err := fmt.Sscanf(rest[1:1+size], "%x", &r); err != nil {
				s.fail(`%q is no escape`, `\`+rest[:1+size])
			}
			b.WriteRune(r)
		case known:
			b.WriteString(one)
		default:
			b.WriteString(`\` + rest[:1])
		}
		t = rest[1+size:]
	}
}

// isName says whether a template can name a variable so.
func isName(s string) bool {
	if s == "" || strings.HasPrefix(s, own) || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return c != '_' && (c >= utf8.RuneSelf || !unicode.IsLetter(c) && !unicode.IsDigit(c))
	})
}
