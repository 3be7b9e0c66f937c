package chat

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// own begins the names that a rewritten template calls functions of this package by.
const own = "_chat_"

const (
	maxSource  = 1 << 20 // bytes
	maxTokens  = 10000   // of a tag
	maxNesting = 100     // of brackets, of conditional expressions, of blocks
)

// rewriter parses a template and writes it again in the library's syntax, with each
// operation that makes a value, each tag and each text as a call of a function of
// [run], which counts it. It is also where the library's grammar and jinja2's differ:
// precedence, escapes, white space, defaults of macros, the scope of a loop's body.
type rewriter struct {
	tokens   []token
	pos      int
	depth    int
	temps    int
	assigned []map[string]bool // what each enclosing loop's body sets
	renamed  map[string]string // in the filter of a loop over pairs
}

func rewrite(source string) (out string, err error) {
	if len(source) > maxSource {
		return "", fmt.Errorf("a template of %d bytes; at most %d", len(source), maxSource)
	}
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(syntaxError)
			if !ok {
				panic(p)
			}
			err = e
		}
	}()
	r := &rewriter{tokens: scan(source)}
	out, _ = r.body()
	return out, nil
}

func (r *rewriter) peek() token { return r.tokens[r.pos] }

func (r *rewriter) next() token {
	t := r.tokens[r.pos]
	if t.kind != end {
		r.pos++
	}
	return t
}

func (r *rewriter) fail(format string, args ...any) {
	panic(syntaxError{r.peek().line, fmt.Sprintf(format, args...)})
}

func (r *rewriter) is(k kind, texts ...string) bool {
	return r.peek().kind == k && slices.Contains(texts, r.peek().text)
}

func (r *rewriter) take(k kind, text string) bool {
	if !r.is(k, text) {
		return false
	}
	r.pos++
	return true
}

func (r *rewriter) want(k kind, text string) {
	if !r.take(k, text) {
		r.fail("want %q, got %q", text, r.peek().text)
	}
}

func (r *rewriter) name() string {
	if r.peek().kind != name {
		r.fail("want a name, got %q", r.peek().text)
	}
	return r.next().text
}

// nest counts a level of nesting until the function that it returns is called.
func (r *rewriter) nest() func() {
	if r.depth++; r.depth > maxNesting {
		r.fail("nested more than %d deep", maxNesting)
	}
	return func() { r.depth-- }
}

func (r *rewriter) temp() string {
	r.temps++
	return fmt.Sprintf("%st%d", own, r.temps)
}

// sets notes that a name is set here.
func (r *rewriter) sets(name string) {
	if n := len(r.assigned); n > 0 && r.assigned[n-1] != nil {
		r.assigned[n-1][name] = true
	}
}

func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func call(function string, args ...string) string {
	return own + function + "(" + strings.Join(args, ", ") + ")"
}

// guarded counts a tag's expression twice: function() before it is evaluated, what it
// returns with its value.
func guarded(function, expr string) string { return own + function + "()(" + expr + ")" }

// body is a template up to one of the statements that end it, or to its own end.
func (r *rewriter) body(ends ...string) (out, stop string) {
	defer r.nest()()
	var b strings.Builder
	for {
		switch t := r.next(); t.kind {
		case text:
			b.WriteString("{{" + call("text", literal(t.text)) + "}}")
		case end:
			if len(ends) > 0 {
				r.fail("want %s, got the end of the template", strings.Join(ends, " or "))
			}
			return b.String(), ""
		case tag:
			if t.text == "{{" {
				b.WriteString("{{" + guarded("out", r.tuple()) + "}}")
				r.want(closer, "}}")
				continue
			}
			keyword := r.name()
			if slices.Contains(ends, keyword) {
				return b.String(), keyword
			}
			b.WriteString(r.statement(keyword))
		}
	}
}

// closed is a body with its last tag.
func (r *rewriter) closed(ends ...string) (out, stop string) {
	out, stop = r.body(ends...)
	if stop != "elif" {
		r.close()
	}
	return out, stop
}

func (r *rewriter) close() { r.want(closer, "%}") }

func (r *rewriter) statement(keyword string) string {
	switch keyword {
	case "if":
		return r.ifStatement()
	case "for":
		return r.forStatement()
	case "set":
		return r.setStatement()
	case "macro":
		return r.macro()
	case "call":
		return r.callStatement()
	case "filter":
		return r.filterStatement()
	case "break", "continue":
		if len(r.assigned) == 0 || r.assigned[len(r.assigned)-1] == nil {
			r.fail("%s outside of a loop", keyword)
		}
		r.close()
		return "{%" + keyword + "%}"
	case "generation":
		r.close()
		body, _ := r.closed("endgeneration")
		return "{{" + call("generation", "0") + "}}" + body + "{{" + call("generation", "1") + "}}"
	}
	r.fail("unknown statement %q", keyword)
	return ""
}

func (r *rewriter) ifStatement() string {
	var b strings.Builder
	keyword := "if"
	for {
		if keyword == "else" {
			b.WriteString("{%else%}")
			body, _ := r.closed("endif")
			return b.String() + body + "{%endif%}"
		}
		b.WriteString("{%" + keyword + " " + guarded("val", r.tuple()) + "%}")
		r.close()
		var body string
		body, keyword = r.closed("elif", "else", "endif")
		b.WriteString(body)
		if keyword == "endif" {
			return b.String() + "{%endif%}"
		}
	}
}

func (r *rewriter) names() []string {
	bracket := r.take(symbol, "(")
	names := []string{r.name()}
	for r.take(symbol, ",") {
		names = append(names, r.name())
	}
	if bracket {
		r.want(symbol, ")")
	}
	return names
}

// scope parses a body that has a scope of its own: a loop's, of which sets collects
// what it sets, or a macro's (nil), where break means nothing.
func (r *rewriter) scope(sets map[string]bool, body func()) {
	r.assigned = append(r.assigned, sets)
	body()
	r.assigned = r.assigned[:len(r.assigned)-1]
}

func (r *rewriter) forStatement() string {
	vars := r.names()
	if len(vars) > 2 {
		r.fail("a loop over %d variables; at most 2 are supported", len(vars))
	}
	r.want(name, "in")
	head := "{%for " + strings.Join(vars, ", ") + " in " + call("iter", strconv.Itoa(len(vars))) + "(" + r.or()
	for r.take(symbol, ",") {
		r.fail("a loop over a tuple wants brackets")
	}
	head += ")"
	if r.take(name, "if") {
		if len(vars) == 2 { // the library sets the second to the pair
			pair := vars[1]
			r.renamed = map[string]string{vars[0]: call("item", pair, "0"), pair: call("item", pair, "1")}
		}
		head += " if " + guarded("val", r.or())
		r.renamed = nil
	}
	if r.is(name, "recursive") {
		r.fail("recursive loops are not supported")
	}
	r.close()
	sets := map[string]bool{}
	var body, stop string
	r.scope(sets, func() { body, stop = r.closed("else", "endfor") })
	otherwise := ""
	if stop == "else" {
		otherwise, _ = r.closed("endfor")
		otherwise = "{%else%}" + otherwise
	}
	// Each turn of a loop begins with the variables as they are outside.
	var before, reset strings.Builder
	for _, v := range slices.Sorted(maps.Keys(sets)) {
		if slices.Contains(vars, v) {
			continue
		}
		saved := r.temp()
		fmt.Fprintf(&before, "{%%set %s = %s%%}", saved, v)
		fmt.Fprintf(&reset, "{%%set %s = %s%%}", v, saved)
	}
	return before.String() + head + "%}" + reset.String() + body + otherwise + "{%endfor%}"
}

func (r *rewriter) setStatement() string {
	targets := []string{r.name()}
	if r.take(symbol, ".") {
		targets = append(targets, r.name())
		return r.setTo(targets[0]+"."+targets[1], guardedNamespace(targets[0]))
	}
	for r.take(symbol, ",") {
		targets = append(targets, r.name())
	}
	for _, t := range targets {
		r.sets(t)
	}
	if len(targets) == 1 {
		return r.setTo(targets[0], own+"val()")
	}
	r.want(symbol, "=")
	all := r.temp()
	out := "{%set " + all + " = " + call("unpack", strconv.Itoa(len(targets))) + "(" + r.tuple() + ")%}"
	for i, t := range targets {
		out += "{%set " + t + " = " + call("item", all, strconv.Itoa(i)) + "%}"
	}
	r.close()
	return out
}

func guardedNamespace(name string) string { return call("namespace_value", name) }

// setTo sets one target, to an expression or a block.
func (r *rewriter) setTo(target, guard string) string {
	if r.take(symbol, "=") {
		value := r.tuple()
		r.close()
		return "{%set " + target + " = " + guard + "(" + value + ")%}"
	}
	block := r.temp()
	value := r.filters(block)
	r.close()
	body, _ := r.closed("endset")
	return "{%set " + block + "%}" + body + "{%endset%}{%set " + target + " = " + guard + "(" + value + ")%}"
}

func (r *rewriter) filterStatement() string {
	block := r.temp()
	value := r.filter(block)
	value = r.filters(value)
	r.close()
	body, _ := r.closed("endfilter")
	return "{%set " + block + "%}" + body + "{%endset%}{{" + guarded("out", value) + "}}"
}

// parameters are those of a macro: their names, and the statements that set those that
// are not given to their defaults.
func (r *rewriter) parameters() (names []string, defaults string) {
	r.want(symbol, "(")
	for !r.take(symbol, ")") {
		n := r.name()
		names = append(names, n)
		if r.take(symbol, "=") {
			defaults += "{%set " + n + " = (" + r.ternary() + " if " + n + " is undefined else " + n + ")%}"
		}
		if !r.is(symbol, ")") {
			r.want(symbol, ",")
		}
	}
	return names, defaults
}

func enter() string { return "{%set " + own + "depth = " + call("enter") + "%}" }

func (r *rewriter) macro() string {
	n := r.name()
	r.sets(n)
	params, defaults := r.parameters()
	r.close()
	var body string
	r.scope(nil, func() { body, _ = r.closed("endmacro") })
	return "{%macro " + n + "(" + strings.Join(params, ", ") + ")%}" + enter() + defaults + body + "{%endmacro%}"
}

func (r *rewriter) callStatement() string {
	params := ""
	if r.is(symbol, "(") {
		names, defaults := r.parameters()
		if defaults != "" {
			r.fail("defaults in a call block are not supported")
		}
		params = "(" + strings.Join(names, ", ") + ")"
	}
	function := r.unary()
	r.close()
	var body string
	r.scope(nil, func() { body, _ = r.closed("endcall") })
	return "{%call" + params + " " + function + "%}" + enter() + body + "{%endcall%}"
}
