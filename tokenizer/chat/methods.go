package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/ardanlabs/jinja"
)

// method(value, name, arguments…) calls a method of a string, a list or a dict, or a
// function that a dict holds.
func (r *run) method(args []value, named map[string]value) (value, error) {
	v, n, args := args[0], args[1].AsString(), args[2:]
	switch {
	case v.IsUndefined():
		return v, fmt.Errorf("%s() of an undefined value", n)
	case v.IsString() && methods[n] != nil:
		if n == "format" {
			return r.format(v.AsString(), args, named)
		}
		return methods[n](r, v.AsString(), args)
	case v.IsDict() && !r.namespaces[v.AsDict()]:
		d := v.AsDict()
		switch n {
		case "items":
			return r.pairs(d)
		case "keys":
			return r.listOf(v, nil, nil)
		case "values":
			var items []value
			for _, k := range d.Keys {
				items = append(items, d.Data[k])
			}
			return r.list(items)
		case "get":
			if entry, ok := d.Get(argument(args, 0)); ok {
				return entry, nil
			}
			if len(args) > 1 {
				return args[1], nil
			}
			return jinja.None(), nil
		}
	case v.IsList() && len(args) == 1 && (n == "index" || n == "count"):
		count := 0
		for i, item := range v.AsList().Items {
			if r.equal(item, args[0]) {
				if n == "index" {
					return jinja.NewInt(int64(i)), nil
				}
				count++
			}
		}
		if n == "index" {
			return v, errors.New("the value is not in the list")
		}
		return jinja.NewInt(int64(count)), nil
	}
	if v.IsDict() {
		if f, ok := v.AsDict().Get(n); ok && f.IsCallable() {
			return f.AsCallable().Fn(args, named)
		}
	}
	return v, fmt.Errorf("%s has no function %s()", kindOf(v), n)
}

// methods are Python's of a string.
var methods = map[string]func(r *run, s string, args []value) (value, error){
	"strip":  stripped(strings.TrimFunc),
	"lstrip": stripped(strings.TrimLeftFunc),
	"rstrip": stripped(strings.TrimRightFunc),
	"split": func(r *run, s string, args []value) (value, error) {
		return r.split(s, args, strings.SplitN)
	},
	"rsplit": func(r *run, s string, args []value) (value, error) {
		return r.split(s, args, splitFromRight)
	},
	"splitlines": func(r *run, s string, _ []value) (value, error) {
		s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
		if s == "" {
			return jinja.NewList(nil), nil
		}
		return r.strings(strings.Split(strings.TrimSuffix(s, "\n"), "\n"))
	},
	"startswith": affix(strings.HasPrefix),
	"endswith":   affix(strings.HasSuffix),
	"removeprefix": func(r *run, s string, args []value) (value, error) {
		return r.string(strings.TrimPrefix(s, argument(args, 0)))
	},
	"removesuffix": func(r *run, s string, args []value) (value, error) {
		return r.string(strings.TrimSuffix(s, argument(args, 0)))
	},
	"replace": func(r *run, s string, args []value) (value, error) {
		if len(args) < 2 || !args[0].IsString() || !args[1].IsString() {
			return jinja.None(), errors.New("replace takes two strings")
		}
		old, with, n := args[0].AsString(), args[1].AsString(), strings.Count(s, args[0].AsString())
		if len(args) > 2 && args[2].IsInt() && args[2].AsInt() >= 0 {
			n = int(min(int64(n), args[2].AsInt()))
		}
		if err := r.make(len(s) + n*len(with)); err != nil {
			return jinja.None(), err
		}
		return jinja.NewString(strings.Replace(s, old, with, n)), nil
	},
	"upper": func(r *run, s string, _ []value) (value, error) { return r.string(strings.ToUpper(s)) },
	"lower": func(r *run, s string, _ []value) (value, error) { return r.string(strings.ToLower(s)) },
	"title": func(r *run, s string, _ []value) (value, error) {
		inside := false
		return r.string(strings.Map(func(c rune) rune {
			was := inside
			if inside = unicode.IsLetter(c); was {
				return unicode.ToLower(c)
			}
			return unicode.ToTitle(c)
		}, s))
	},
	"capitalize": func(r *run, s string, _ []value) (value, error) {
		c := []rune(strings.ToLower(s))
		if len(c) > 0 {
			c[0] = unicode.ToTitle(c[0])
		}
		return r.string(string(c))
	},
	"count": func(_ *run, s string, args []value) (value, error) {
		return jinja.NewInt(int64(strings.Count(s, argument(args, 0)))), nil
	},
	"find": func(_ *run, s string, args []value) (value, error) {
		return characters(s, strings.Index(s, argument(args, 0))), nil
	},
	"rfind": func(_ *run, s string, args []value) (value, error) {
		return characters(s, strings.LastIndex(s, argument(args, 0))), nil
	},
	"join": func(r *run, s string, args []value) (value, error) {
		if len(args) != 1 {
			return jinja.None(), errors.New("join takes a list")
		}
		return r.join(args[0], []value{jinja.NewString(s)}, nil)
	},
	"isdigit": every(unicode.IsDigit), "isalpha": every(unicode.IsLetter), "isspace": every(unicode.IsSpace),
	"isupper": func(_ *run, s string, _ []value) (value, error) {
		return jinja.NewBool(strings.ToUpper(s) == s && strings.ToLower(s) != s), nil
	},
	"islower": func(_ *run, s string, _ []value) (value, error) {
		return jinja.NewBool(strings.ToLower(s) == s && strings.ToUpper(s) != s), nil
	},
	"format": func(r *run, s string, args []value) (value, error) { return r.format(s, args, nil) },
}

func every(f func(rune) bool) func(*run, string, []value) (value, error) {
	return func(_ *run, s string, _ []value) (value, error) {
		return jinja.NewBool(s != "" && !strings.ContainsFunc(s, func(c rune) bool { return !f(c) })), nil
	}
}

// characters turns an index in bytes to one in characters.
func characters(s string, i int) value {
	if i > 0 {
		i = len([]rune(s[:i]))
	}
	return jinja.NewInt(int64(i))
}

func stripped(trim func(string, func(rune) bool) string) func(*run, string, []value) (value, error) {
	return func(r *run, s string, args []value) (value, error) {
		if len(args) == 0 || args[0].IsNone() {
			return r.string(trim(s, unicode.IsSpace))
		}
		return r.string(trim(s, func(c rune) bool { return strings.ContainsRune(argument(args, 0), c) }))
	}
}

func affix(has func(s, affix string) bool) func(*run, string, []value) (value, error) {
	return func(_ *run, s string, args []value) (value, error) {
		if len(args) != 1 {
			return jinja.None(), errors.New("startswith and endswith take a string or a tuple of them")
		}
		any := args
		if args[0].IsList() {
			any = args[0].AsList().Items
		}
		for _, a := range any {
			if !a.IsString() {
				return jinja.None(), fmt.Errorf("startswith and endswith take strings, got %s", kindOf(a))
			}
			if has(s, a.AsString()) {
				return jinja.NewBool(true), nil
			}
		}
		return jinja.NewBool(false), nil
	}
}

func (r *run) strings(parts []string) (value, error) {
	items := make([]value, len(parts))
	for i, p := range parts {
		items[i] = jinja.NewString(p)
	}
	return r.list(items)
}

func (r *run) split(s string, args []value, split func(s, separator string, n int) []string) (value, error) {
	n := -1
	if len(args) > 1 && args[1].IsInt() && args[1].AsInt() >= 0 {
		n = int(min(args[1].AsInt(), int64(len(s)))) + 1
	}
	if len(args) == 0 || args[0].IsNone() {
		if n >= 0 {
			return jinja.None(), errors.New("split with a number wants a separator")
		}
		return r.strings(strings.Fields(s))
	}
	if argument(args, 0) == "" {
		return jinja.None(), errors.New("split by an empty separator")
	}
	if err := r.make(itemBytes * strings.Count(s, argument(args, 0))); err != nil {
		return jinja.None(), err
	}
	return r.strings(split(s, argument(args, 0), n))
}

func splitFromRight(s, separator string, n int) []string {
	var parts []string
	for n < 0 || len(parts) < n-1 {
		i := strings.LastIndex(s, separator)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(separator):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return parts
}

// format is Python's, of fields without a format of their own: {}, {0}, {name}.
func (r *run) format(s string, args []value, named map[string]value) (value, error) {
	var b strings.Builder
	next := 0
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		b.WriteString(s[:i])
		if s = s[i:]; s == "" {
			break
		}
		if strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "}}") {
			b.WriteByte(s[0])
			s = s[2:]
			continue
		}
		field, rest, ok := strings.Cut(s[1:], "}")
		if s[0] == '}' || !ok {
			return jinja.None(), errors.New("format: a single brace")
		}
		s = rest
		v, found := named[field]
		var at int
		if field == "" {
			at, next = next, next+1
		}
		if _, err := fmt.Sscanf(field, "%d", &at); !found && (err == nil || field == "") && at >= 0 && at < len(args) {
			v, found = args[at], true
		}
		if !found {
			return jinja.None(), fmt.Errorf("format: no value for the field {%s}", field)
		}
		part, err := r.str(v)
		if err != nil {
			return v, err
		}
		if err := r.make(len(part)); err != nil {
			return v, err
		}
		b.WriteString(part)
	}
	return r.string(b.String())
}

// percent is Python's % of a string, of %s, %d and %c.
func (r *run) percent(v value, args []value, _ map[string]value) (value, error) {
	rest, err := r.str(v)
	if err != nil {
		return v, err
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		verb := after[:min(1, len(after))]
		rest = after[len(verb):]
		if verb == "%" {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 {
			return v, errors.New("format: too few arguments")
		}
		var part string
		switch a := args[0]; {
		case verb == "s":
			part, err = r.str(a)
		case verb == "d" && a.IsInt():
			part = fmt.Sprint(a.AsInt())
		case verb == "c" && a.IsInt() && a.AsInt() >= 0 && a.AsInt() <= unicode.MaxRune:
			part = string(rune(a.AsInt()))
		case verb == "c" && a.IsString():
			part = a.AsString()
		default:
			err = fmt.Errorf("format: %%%s of %s is not supported", verb, kindOf(a))
		}
		if err == nil {
			err = r.make(len(part))
		}
		if err != nil {
			return v, err
		}
		b.WriteString(part)
		args = args[1:]
	}
	if len(args) > 0 {
		return v, errors.New("format: too many arguments")
	}
	return r.string(b.String())
}
