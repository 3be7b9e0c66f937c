package chat

import (
	"slices"
	"strconv"
	"strings"
)

// The parts of an expression, in the order of their precedence.

// tuple is an expression, or several with commas.
func (r *rewriter) tuple() string {
	first := r.ternary()
	if !r.is(symbol, ",") {
		return first
	}
	items := []string{first}
	for r.take(symbol, ",") {
		if r.peek().kind == closer || r.is(symbol, ")") {
			break
		}
		items = append(items, r.ternary())
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (r *rewriter) ternary() string {
	defer r.nest()()
	value := r.or()
	for r.take(name, "if") {
		value = "(" + value + " if " + r.or()
		if r.take(name, "else") {
			value += " else " + r.ternary()
		}
		value += ")"
	}
	return value
}

func (r *rewriter) or() string {
	left := r.and()
	for r.take(name, "or") {
		left = "(" + left + " or " + r.and() + ")"
	}
	return left
}

func (r *rewriter) and() string {
	left := r.not()
	for r.take(name, "and") {
		left = "(" + left + " and " + r.not() + ")"
	}
	return left
}

func (r *rewriter) not() string {
	if r.take(name, "not") {
		defer r.nest()()
		return "(not " + r.not() + ")"
	}
	return r.compare()
}

func (r *rewriter) compare() string {
	left := r.add()
	var all []string
	for {
		var one, right string
		switch {
		case r.is(symbol, "==", "!=", "<", "<=", ">", ">="):
			op := r.next().text
			right = r.add()
			one = call("compare", literal(op), left, right)
		case r.take(name, "in"):
			right = r.add()
			one = call("in", left, right)
		case r.is(name, "not") && r.tokens[r.pos+1].text == "in":
			r.pos += 2
			right = r.add()
			one = "(not " + call("in", left, right) + ")"
		case len(all) == 0:
			return left
		default:
			return "(" + strings.Join(all, " and ") + ")"
		}
		all = append(all, one)
		left = right
	}
}

// binary is a chain of operators of one precedence.
func (r *rewriter) binary(operand func() string, ops ...string) string {
	left := operand()
	for r.is(symbol, ops...) {
		op := r.next().text
		left = call("math", literal(op), left, operand())
	}
	return left
}

func (r *rewriter) add() string    { return r.binary(r.concat, "+", "-") }
func (r *rewriter) concat() string { return r.binary(r.mul, "~") }
func (r *rewriter) mul() string    { return r.binary(r.pow, "*", "/", "//", "%") }
func (r *rewriter) pow() string    { return r.binary(r.unary, "**") }

func (r *rewriter) unary() string { return r.filters(r.signed()) }

func (r *rewriter) signed() string {
	if r.is(symbol, "-", "+") {
		defer r.nest()()
		op := r.next().text
		return call("math", literal(op), "0", r.signed())
	}
	return r.postfix(r.primary())
}

func (r *rewriter) primary() string {
	defer r.nest()()
	switch t := r.next(); t.kind {
	case quoted:
		s := t.text
		for r.peek().kind == quoted {
			s += r.next().text
		}
		return literal(s)
	case number:
		return r.numeric(t.text)
	case name:
		if slices.Contains(keywords, t.text) {
			r.fail("unexpected %q", t.text)
		}
		if other, ok := r.renamed[t.text]; ok {
			return other
		}
		return t.text
	case symbol:
		switch t.text {
		case "(":
			if r.take(symbol, ")") {
				return "[]"
			}
			inner := r.tuple()
			r.want(symbol, ")")
			return inner
		case "[":
			return "[" + strings.Join(r.list("]", r.ternary), ", ") + "]"
		case "{":
			return dictOf(r.list("}", func() string {
				key := r.ternary()
				r.want(symbol, ":")
				return key + ": " + r.ternary()
			}))
		}
		fallthrough
	default:
		r.pos--
		r.fail("unexpected %q", t.text)
	}
	return ""
}

// dictOf is a dict of entries; two braces together would end the library's tag.
func dictOf(entries []string) string { return "{ " + strings.Join(entries, ", ") + " }" }

// numeric is a number as the library reads it: without exponent.
func (r *rewriter) numeric(s string) string {
	if !strings.ContainsAny(s, ".eE") {
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			r.fail("%s is no integer of 64 bits", s)
		}
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		r.fail("%s is no number of 64 bits", s)
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

var keywords = []string{"if", "else", "or", "and", "not", "in", "is"}

func (r *rewriter) list(closing string, item func() string) (items []string) {
	for !r.take(symbol, closing) {
		items = append(items, item())
		if !r.is(symbol, closing) {
			r.want(symbol, ",")
		}
	}
	return items
}

// arguments are those of a call whose bracket is open.
func (r *rewriter) arguments() []string {
	return r.list(")", func() string {
		if r.peek().kind == name && r.tokens[r.pos+1] == (token{symbol, "=", r.peek().line}) {
			n := r.next().text
			r.pos++
			return n + "=" + r.ternary()
		}
		return r.ternary()
	})
}

func (r *rewriter) postfix(value string) string {
	for {
		switch {
		case r.take(symbol, "."):
			attr := literal(r.attribute())
			if r.take(symbol, "(") {
				value = call("method", append([]string{value, attr}, r.arguments()...)...)
			} else {
				value = call("attr", value, attr)
			}
		case r.take(symbol, "["):
			value = r.subscript(value)
		case r.take(symbol, "("):
			value = r.called(value)
		default:
			return value
		}
	}
}

func (r *rewriter) attribute() string {
	if r.peek().kind == number {
		return r.next().text
	}
	return r.name()
}

// called is a call of a function. dict's arguments are a dict, as the library forgets
// their order.
func (r *rewriter) called(function string) string {
	args := r.arguments()
	if function != "dict" {
		return function + "(" + strings.Join(args, ", ") + ")"
	}
	for i, a := range args {
		n, value, ok := strings.Cut(a, "=")
		if !ok || strings.ContainsAny(n, `"( `) {
			r.fail("dict takes names with values")
		}
		args[i] = literal(n) + ": " + value
	}
	return dictOf(args)
}

func (r *rewriter) subscript(value string) string {
	parts, slice := []string{}, false
	for {
		part := "none"
		if !r.is(symbol, ":", "]") {
			part = r.ternary()
		}
		parts = append(parts, part)
		if r.take(symbol, "]") {
			break
		}
		r.want(symbol, ":")
		slice = true
	}
	switch {
	case !slice && parts[0] == "none":
		r.fail("an empty subscript")
	case !slice:
		return call("item", value, parts[0])
	case len(parts) > 3:
		r.fail("a slice of %d parts", len(parts))
	}
	return call("slice", append([]string{value}, parts...)...)
}

// filters are those, tests and calls behind an expression.
func (r *rewriter) filters(value string) string {
	for {
		switch {
		case r.take(symbol, "|"):
			value = r.filter(value)
		case r.take(name, "is"):
			value = r.test(value)
		case r.take(symbol, "("):
			value = r.called(value)
		default:
			return value
		}
	}
}

func (r *rewriter) filter(value string) string {
	n := r.name()
	var args []string
	if r.take(symbol, "(") {
		args = r.arguments()
	}
	if filters[n] != nil {
		return call("filter", append([]string{literal(n), value}, args...)...)
	}
	if !slices.Contains(libraryFilters, n) {
		r.fail("no filter named %q", n)
	}
	return "(" + value + "|" + n + "(" + strings.Join(args, ", ") + "))"
}

func (r *rewriter) test(value string) string {
	not := r.take(name, "not")
	n := r.name()
	if tests[n] == nil {
		r.fail("no test named %q", n)
	}
	args := []string{literal(n), value}
	switch t := r.peek(); {
	case r.take(symbol, "("):
		args = append(args, r.arguments()...)
	case t.kind == quoted, t.kind == number, r.is(symbol, "[", "{"),
		t.kind == name && !slices.Contains(keywords, t.text):
		args = append(args, r.postfix(r.primary()))
	}
	if r.is(name, "is") {
		r.fail("a test of a test wants brackets")
	}
	out := call("test", args...)
	if not {
		out = "(not " + out + ")"
	}
	return out
}
