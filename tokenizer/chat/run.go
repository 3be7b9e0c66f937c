package chat

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ardanlabs/jinja"
)

// The bounds of a rendering. What it makes counts, not what it keeps.
const (
	maxTime   = 2 * time.Second
	maxBytes  = 64 << 20 // made of strings and lists, besides:
	perByte   = 32       // bytes made for each of the input
	maxFrames = 20000    // of the stack, which recursive macros deepen
	maxDepth  = 1000     // of a list in a list when it is printed
	itemBytes = 64       // counted for an item of a list
)

// ErrBound is in the chain of an error that says a template went beyond a bound.
var ErrBound = errors.New("the template is out of bounds")

// run is one rendering: the functions that a rewritten template calls, and its bounds.
type run struct {
	ctx        context.Context
	deadline   time.Time
	now        time.Time // what strftime_now says
	left       int       // bytes that may still be made
	limit      int
	namespaces map[*jinja.Dict]bool
	marker     string // around generation blocks; empty for none
}

type (
	value    = jinja.Value
	function = func(args []value, named map[string]value) (value, error)
)

// tick ends a rendering that is over its time.
func (r *run) tick() error {
	if r.left <= 0 {
		return fmt.Errorf("%w: it makes more than %d bytes", ErrBound, r.limit)
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if time.Now().After(r.deadline) {
		return fmt.Errorf("%w: it runs too long", ErrBound)
	}
	return nil
}

// make counts bytes before they are made.
func (r *run) make(bytes int) error {
	if bytes > r.left || bytes < 0 {
		return fmt.Errorf("%w: it makes more than %d bytes", ErrBound, r.limit)
	}
	r.left -= bytes
	return r.tick()
}

func (r *run) string(s string) (value, error) { return jinja.NewString(s), r.make(len(s)) }

func (r *run) list(items []value) (value, error) {
	return jinja.NewList(items), r.make(itemBytes * len(items))
}

// globals are what a rewritten template finds, besides its variables.
func (r *run) globals() map[string]value {
	out := map[string]value{}
	for n, f := range map[string]function{
		"text": r.text, "out": r.curried(r.out), "val": r.curried(r.val),
		"iter": r.iter, "unpack": r.unpack, "namespace_value": r.namespaceValue,
		"enter": r.enter, "generation": r.generation,
		"attr": r.attr, "item": r.item, "slice": r.slice, "method": r.method,
		"math": r.math, "compare": r.compare, "in": r.in, "test": r.test, "filter": r.filter,
	} {
		out[own+n] = jinja.NewCallable(n, f)
	}
	for n, f := range map[string]function{
		"raise_exception": raise, "strftime_now": r.strftimeNow, "range": r.rangeOf, "namespace": r.namespace,
	} {
		out[n] = jinja.NewCallable(n, f)
	}
	return out
}

// curried is f() that looks at the time before its result's argument is evaluated.
func (r *run) curried(f func(value) (value, error)) function {
	inner := jinja.NewCallable("value", func(args []value, _ map[string]value) (value, error) {
		return f(args[0])
	})
	return func([]value, map[string]value) (value, error) { return inner, r.tick() }
}

func (r *run) val(v value) (value, error) { return v, nil }

func (r *run) out(v value) (value, error) {
	s, err := r.str(v)
	if err != nil {
		return v, err
	}
	return r.string(s)
}

func (r *run) text(args []value, _ map[string]value) (value, error) {
	return args[0], r.make(len(args[0].AsString()))
}

// enter is called where a macro begins.
func (r *run) enter([]value, map[string]value) (value, error) {
	var pc [1]uintptr
	if runtime.Callers(maxFrames, pc[:]) > 0 {
		return jinja.None(), fmt.Errorf("%w: its macros call each other too deep", ErrBound)
	}
	return jinja.None(), r.tick()
}

// generation marks the begin and the end of a generation block.
func (r *run) generation(args []value, _ map[string]value) (value, error) {
	if r.marker == "" {
		return jinja.NewString(""), nil
	}
	return r.string(r.marker + fmt.Sprint(args[0].AsInt()))
}

// iter(n) makes a list of what a loop over n variables goes through.
func (r *run) iter(args []value, _ map[string]value) (value, error) {
	n := args[0].AsInt()
	return jinja.NewCallable("iter", func(args []value, _ map[string]value) (value, error) {
		items, err := itemsOf(args[0])
		if err != nil {
			return args[0], err
		}
		for _, item := range items {
			if n == 2 && (!item.IsList() || item.AsList().Len() != 2) {
				return item, fmt.Errorf("a loop over two variables wants pairs, got %s", kindOf(item))
			}
		}
		return r.list(items)
	}), r.tick()
}

// unpack(n) is a list of n values to set n variables to.
func (r *run) unpack(args []value, _ map[string]value) (value, error) {
	n := int(args[0].AsInt())
	return jinja.NewCallable("unpack", func(args []value, _ map[string]value) (value, error) {
		items, err := itemsOf(args[0])
		if err == nil && len(items) != n {
			err = fmt.Errorf("%d values to set %d variables", len(items), n)
		}
		if err != nil {
			return args[0], err
		}
		return r.list(items)
	}), r.tick()
}

// itemsOf are the items of a list, the keys of a dict or the characters of a string.
func itemsOf(v value) (items []value, err error) {
	switch {
	case v.IsList():
		return v.AsList().Items, nil
	case v.IsDict():
		for _, k := range v.AsDict().Keys {
			items = append(items, jinja.NewString(k))
		}
	case v.IsString():
		for _, c := range v.AsString() {
			items = append(items, jinja.NewString(string(c)))
		}
	case !v.IsUndefined():
		err = fmt.Errorf("%s cannot be iterated", kindOf(v))
	}
	return items, err
}

// kindOf names a value's kind in an error.
func kindOf(v value) string {
	switch {
	case v.IsUndefined():
		return "an undefined value"
	case v.IsNone():
		return "none"
	case v.IsBool():
		return "a boolean"
	case v.IsNumber():
		return "a number"
	case v.IsString():
		return "a string"
	case v.IsList():
		return "a list"
	case v.IsDict():
		return "a dict"
	}
	return "a function"
}

func raise(args []value, _ map[string]value) (value, error) {
	if len(args) != 1 {
		return jinja.None(), fmt.Errorf("raise_exception takes one argument, not %d", len(args))
	}
	return jinja.None(), raised(argument(args, 0))
}

// raised is the text of a template's raise_exception.
type raised string

func (e raised) Error() string { return string(e) }

// argument is an argument as a string; empty where there is none.
func argument(args []value, i int) string {
	if i < len(args) && args[i].IsString() {
		return args[i].AsString()
	}
	return ""
}

func (r *run) rangeOf(args []value, _ map[string]value) (value, error) {
	bounds := []int64{0, 0, 1}
	for i, a := range args {
		if !a.IsInt() || len(args) > 3 {
			return jinja.None(), fmt.Errorf("range takes up to 3 integers, got %s", kindOf(a))
		}
		bounds[i] = a.AsInt()
	}
	if len(args) < 2 {
		bounds[0], bounds[1] = 0, bounds[0]
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if step == 0 || len(args) == 0 {
		return jinja.None(), errors.New("range takes up to 3 integers, of which the third is not 0")
	}
	var items []value
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if err := r.make(itemBytes); err != nil {
			return jinja.None(), err
		}
		items = append(items, jinja.NewInt(i))
		if next := i + step; (next > i) != (step > 0) {
			break // beyond 64 bits
		}
	}
	return jinja.NewList(items), nil
}

func (r *run) namespace(args []value, named map[string]value) (value, error) {
	ns := jinja.NewDict()
	for _, a := range args {
		if !a.IsDict() {
			return ns, fmt.Errorf("namespace takes a dict, got %s", kindOf(a))
		}
		for _, k := range a.AsDict().Keys {
			ns.AsDict().Set(k, a.AsDict().Data[k])
		}
	}
	for k, v := range named {
		if err := r.holds(v, 0); err != nil {
			return ns, err
		}
		ns.AsDict().Set(k, v)
	}
	r.namespaces[ns.AsDict()] = true
	return ns, r.make(itemBytes * (1 + ns.AsDict().Len()))
}

// namespaceValue(ns) guards a value that is set in ns.
func (r *run) namespaceValue(args []value, _ map[string]value) (value, error) {
	if !args[0].IsDict() || !r.namespaces[args[0].AsDict()] {
		return args[0], fmt.Errorf("cannot set an attribute of %s: it is no namespace", kindOf(args[0]))
	}
	return jinja.NewCallable("value", func(args []value, _ map[string]value) (value, error) {
		return args[0], r.holds(args[0], 0)
	}), r.tick()
}

// holds refuses a value with a namespace inside: it could come to hold itself.
func (r *run) holds(v value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: lists %d deep", ErrBound, depth)
	}
	if r.left--; r.left%1024 == 0 || r.left <= 0 {
		if err := r.tick(); err != nil {
			return err
		}
	}
	switch {
	case v.IsList():
		for _, item := range v.AsList().Items {
			if err := r.holds(item, depth+1); err != nil {
				return err
			}
		}
	case v.IsDict():
		if r.namespaces[v.AsDict()] {
			return errors.New("a namespace in a namespace is not supported")
		}
		for _, item := range v.AsDict().Data {
			if err := r.holds(item, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// attr(value, name) is a dict's or a namespace's entry.
func (r *run) attr(args []value, _ map[string]value) (value, error) {
	v, n := args[0], args[1].AsString()
	if v.IsUndefined() {
		return v, fmt.Errorf("%q of an undefined value", n)
	}
	if v.IsDict() {
		if entry, ok := v.AsDict().Get(n); ok {
			return entry, nil
		}
	}
	return jinja.Undefined(), nil
}

// item(value, key) is value[key]; undefined where there is none.
func (r *run) item(args []value, _ map[string]value) (value, error) {
	v, key := args[0], args[1]
	switch {
	case v.IsUndefined():
		k, _ := r.str(key)
		return v, fmt.Errorf("%q of an undefined value", k)
	case v.IsDict():
		k, err := r.str(key)
		if err != nil {
			return v, err
		}
		entry, _ := v.AsDict().Get(k)
		return entry, nil
	case v.IsList() && key.IsInt():
		if i, ok := within(key.AsInt(), v.AsList().Len()); ok {
			return v.AsList().Get(i), nil
		}
	case v.IsString() && key.IsInt():
		c := []rune(v.AsString())
		if i, ok := within(key.AsInt(), len(c)); ok {
			return r.string(string(c[i]))
		}
	}
	return jinja.Undefined(), nil
}

// within is an index from the begin for one that may count from the end.
func within(i int64, n int) (int, bool) {
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

// slice(value, start, stop, step) is Python's value[start:stop:step].
func (r *run) slice(args []value, _ map[string]value) (value, error) {
	if !args[0].IsList() && !args[0].IsString() {
		return args[0], fmt.Errorf("a slice of %s", kindOf(args[0]))
	}
	if args[0].IsString() {
		if err := r.make(4 * len(args[0].AsString())); err != nil {
			return args[0], err
		}
	}
	items, err := itemsOf(args[0])
	if err != nil {
		return args[0], err
	}
	n := int64(len(items))
	step := int64(1)
	if len(args) > 3 && args[3].IsInt() {
		step = max(-n-1, min(args[3].AsInt(), n+1))
	}
	if step == 0 {
		return args[0], errors.New("a slice of step 0")
	}
	low, high := int64(0), n // Python's bounds of an index
	start, stop := low, high
	if step < 0 {
		low, high = -1, n-1
		start, stop = high, low
	}
	for i, bound := range []*int64{&start, &stop} {
		if len(args) > i+1 && args[i+1].IsInt() {
			at := args[i+1].AsInt()
			if at < 0 {
				at += n
			}
			*bound = max(low, min(at, high))
		}
	}
	var out []value
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		out = append(out, items[i])
	}
	if args[0].IsList() {
		return r.list(out)
	}
	var b strings.Builder
	for _, c := range out {
		b.WriteString(c.AsString())
	}
	return r.string(b.String())
}

// generated takes the markers out of a text, which lie around its generation blocks.
func generated(text, marker string) (string, []Span, error) {
	var b strings.Builder
	var spans []Span
	open := 0
	for {
		before, rest, found := strings.Cut(text, marker)
		b.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(rest, "0"):
			if open++; open == 1 {
				spans = append(spans, Span{Start: b.Len(), End: -1})
			}
		case open > 0:
			if open--; open == 0 {
				spans[len(spans)-1].End = b.Len()
			}
		default:
			open = -1
		}
		if rest == "" || open < 0 {
			return "", nil, errors.New("the template cuts a generation block in pieces")
		}
		text = rest[1:]
	}
	if open != 0 || !utf8.ValidString(b.String()) {
		return "", nil, errors.New("the template cuts a generation block in pieces")
	}
	return b.String(), spans, nil
}
