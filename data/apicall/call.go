package apicall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Call is a call of an API.
type Call struct {
	Name string
	Args []Arg
}

// Arg is an argument of a call.
type Arg struct {
	Name  string
	Value any // string, [Number], bool, nil for None, []any
}

// Number is a number as it is written.
type Number string

// String is the call's text: name(text = "v", list = ["x"], none = None).
func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Name + "(")
	for i, a := range c.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Name + " = ")
		write(&b, a.Value)
	}
	b.WriteByte(')')
	return b.String()
}

func write(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case Number:
		b.WriteString(string(v))
	case string:
		b.WriteByte('"')
		for i := range len(v) {
			switch c := v[i]; c {
			case '"', '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case '\n':
				b.WriteString(`\n`)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	case []any:
		b.WriteByte('[')
		for i, x := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, x)
		}
		b.WriteByte(']')
	default:
		panic(fmt.Sprintf("apicall: a value of type %T", v))
	}
}

// Equal says whether two calls are the same: API, and arguments in any order. One that is
// None is one that is not given; numbers are compared by value.
func (c Call) Equal(other Call) bool {
	return c.Name == other.Name && slices.EqualFunc(c.given(), other.given(), func(a, b Arg) bool {
		return a.Name == b.Name && equal(a.Value, b.Value)
	})
}

// given are the arguments that are not None, by name.
func (c Call) given() []Arg {
	args := slices.DeleteFunc(slices.Clone(c.Args), func(a Arg) bool { return a.Value == nil })
	slices.SortFunc(args, func(a, b Arg) int { return strings.Compare(a.Name, b.Name) })
	return args
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case []any:
		list, ok := b.([]any)
		return ok && slices.EqualFunc(a, list, equal)
	case Number:
		n, ok := b.(Number)
		x, err := strconv.ParseFloat(string(a), 64)
		y, err2 := strconv.ParseFloat(string(n), 64)
		return ok && err == nil && err2 == nil && x == y
	default:
		_, list := b.([]any)
		return !list && a == b
	}
}

// Parse reads a call. Blanks may stand between its parts, and strings in single quotes
// too. What is wrong is an error that names the byte.
func Parse(text string) (Call, error) {
	p := parser{text: text}
	c := p.call()
	if p.err == nil && p.at < len(text) {
		p.fail("the end")
	}
	if p.err != nil {
		return Call{}, p.err
	}
	return c, nil
}

type parser struct {
	text string
	at   int
	err  error
}

func (p *parser) fail(want string) {
	if p.err == nil {
		got := "the end"
		if p.at < len(p.text) {
			r, _ := utf8.DecodeRuneInString(p.text[p.at:])
			got = strconv.QuoteRune(r)
		}
		p.err = fmt.Errorf("byte %d of a call: want %s, got %s", p.at, want, got)
		p.at = len(p.text)
	}
}

func (p *parser) blanks() {
	for p.at < len(p.text) && strings.IndexByte(" \t\n\r", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take passes a byte, with blanks around it.
func (p *parser) take(c byte) bool {
	p.blanks()
	if p.err != nil || p.at >= len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	p.blanks()
	return true
}

func (p *parser) want(c byte) {
	if !p.take(c) {
		p.fail(strconv.QuoteRune(rune(c)))
	}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// name is one of an API, which may have dots and hyphens, or of an argument.
func (p *parser) name(want string) string {
	p.blanks()
	from := p.at
	for p.at < len(p.text) {
		if c := p.text[p.at]; !letter(c) && (p.at == from || !digit(c) && c != '.' && c != '-') {
			break
		}
		p.at++
	}
	if p.at == from {
		p.fail(want)
	}
	return p.text[from:p.at]
}

func (p *parser) call() Call {
	c := Call{Name: p.name("the name of an API")}
	p.want('(')
	for p.err == nil && !p.take(')') {
		if len(c.Args) > 0 {
			p.want(',')
		}
		a := Arg{Name: p.name("the name of an argument")}
		if slices.ContainsFunc(c.Args, func(b Arg) bool { return b.Name == a.Name }) {
			p.fail("an argument other than " + a.Name + ", which is there")
		}
		p.want('=')
		a.Value = p.value()
		c.Args = append(c.Args, a)
	}
	return c
}

// values are the words that stand for values.
var values = map[string]any{"None": nil, "null": nil, "True": true, "true": true, "False": false, "false": false}

func (p *parser) value() any {
	if p.at >= len(p.text) {
		p.fail("a value")
		return nil
	}
	switch c := p.text[p.at]; {
	case c == '"' || c == '\'':
		return p.quoted(c)
	case c == '[':
		p.at++
		list := []any{}
		for p.err == nil && !p.take(']') {
			if len(list) > 0 {
				p.want(',')
			}
			list = append(list, p.value())
		}
		return list
	case digit(c) || c == '-':
		from := p.at
		for p.at++; p.at < len(p.text) && (digit(p.text[p.at]) || strings.IndexByte("+-.eE", p.text[p.at]) >= 0); p.at++ {
		}
		n := p.text[from:p.at]
		if _, err := strconv.ParseFloat(n, 64); err != nil {
			p.at = from
			p.fail("a number")
		}
		return Number(n)
	}
	from := p.at
	word := p.name("a value")
	v, ok := values[word]
	if !ok {
		p.at = from
		p.fail("a value")
	}
	return v
}

func (p *parser) quoted(quote byte) string {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == quote:
			p.at++
			return b.String()
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			if c = p.text[p.at]; c == 'n' {
				c = '\n'
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	p.fail("the quote that ends a string")
	return ""
}
