package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ardanlabs/jinja"
)

// libraryFilters are those of the library that make no more than they are given, and
// agree with jinja2's.
var libraryFilters = []string{
	"abs", "batch", "d", "default", "dictsort", "float", "int", "max", "min",
	"reverse", "round", "safe", "sort", "sum",
}

// filters are those of this package: what the library does otherwise, or without bound.
var filters map[string]func(r *run, v value, args []value, named map[string]value) (value, error)

func init() {
	filters = map[string]func(*run, value, []value, map[string]value) (value, error){
		"tojson": (*run).tojson, "join": (*run).join, "indent": (*run).indent, "string": (*run).stringOf,
		"list": (*run).listOf, "first": (*run).first, "last": (*run).last, "items": (*run).items,
		"length": (*run).length, "count": (*run).length, "map": (*run).mapped,
		"select": chosen(false, true), "reject": chosen(false, false),
		"selectattr": chosen(true, true), "rejectattr": chosen(true, false),
		"trim":  onString("strip"),
		"lower": onString("lower"), "upper": onString("upper"), "title": onString("title"),
		"capitalize": onString("capitalize"), "replace": onString("replace"),
		"format": (*run).percent, "unique": (*run).unique,
	}
}

// filter(name, value, arguments…).
func (r *run) filter(args []value, named map[string]value) (value, error) {
	return filters[args[0].AsString()](r, args[1], args[2:], named)
}

// option is an argument by place or by name.
func option(args []value, named map[string]value, i int, name string) value {
	if i < len(args) {
		return args[i]
	}
	return named[name]
}

// onString applies a string's method.
func onString(method string) func(*run, value, []value, map[string]value) (value, error) {
	return func(r *run, v value, args []value, named map[string]value) (value, error) {
		s, err := r.str(v)
		if err != nil {
			return v, err
		}
		return methods[method](r, s, args)
	}
}

func (r *run) stringOf(v value, _ []value, _ map[string]value) (value, error) {
	s, err := r.str(v)
	return jinja.NewString(s), err
}

func (r *run) listOf(v value, _ []value, _ map[string]value) (value, error) {
	items, err := itemsOf(v)
	if err != nil {
		return v, err
	}
	return r.list(slices.Clone(items))
}

func (r *run) first(v value, _ []value, _ map[string]value) (value, error) {
	items, err := itemsOf(v)
	if err != nil || len(items) == 0 {
		return jinja.Undefined(), err
	}
	return items[0], r.make(itemBytes)
}

func (r *run) last(v value, _ []value, _ map[string]value) (value, error) {
	items, err := itemsOf(v)
	if err != nil || len(items) == 0 {
		return jinja.Undefined(), err
	}
	return items[len(items)-1], r.make(itemBytes)
}

func (r *run) items(v value, _ []value, _ map[string]value) (value, error) {
	if v.IsUndefined() {
		return jinja.NewList(nil), nil
	}
	if !v.IsDict() {
		return v, errors.New("can only get item pairs from a mapping")
	}
	return r.pairs(v.AsDict())
}

func (r *run) pairs(d *jinja.Dict) (value, error) {
	var items []value
	for _, k := range d.Keys {
		items = append(items, jinja.NewList([]value{jinja.NewString(k), d.Data[k]}))
	}
	return r.list(items)
}

func (r *run) length(v value, _ []value, _ map[string]value) (value, error) {
	if v.IsString() {
		return jinja.NewInt(int64(len([]rune(v.AsString())))), nil
	}
	items, err := itemsOf(v)
	return jinja.NewInt(int64(len(items))), err
}

func (r *run) join(v value, args []value, named map[string]value) (value, error) {
	items, err := itemsOf(v)
	if err != nil {
		return v, err
	}
	separator, err := r.str(option(args, named, 0, "d"))
	if err != nil {
		return v, err
	}
	attribute := option(args, named, 1, "attribute")
	parts := make([]string, len(items))
	for i, item := range items {
		if attribute.IsString() {
			if item, err = r.path(item, attribute.AsString()); err != nil {
				return v, err
			}
		}
		if parts[i], err = r.str(item); err != nil {
			return v, err
		}
		if err := r.make(len(parts[i]) + len(separator)); err != nil {
			return v, err
		}
	}
	return jinja.NewString(strings.Join(parts, separator)), nil
}

// path is an attribute of an attribute, with points between.
func (r *run) path(v value, path string) (value, error) {
	for n := range strings.SplitSeq(path, ".") {
		var err error
		if v, err = r.attr([]value{v, jinja.NewString(n)}, nil); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (r *run) indent(v value, args []value, named map[string]value) (value, error) {
	s, err := r.str(v)
	if err != nil {
		return v, err
	}
	pad := strings.Repeat(" ", 4)
	switch width := option(args, named, 0, "width"); {
	case width.IsString():
		pad = width.AsString()
	case width.IsInt():
		filled, err := r.repeat(" ", width.AsInt())
		if err != nil {
			return v, err
		}
		pad = filled.AsString()
	}
	first, blank := option(args, named, 1, "first").IsTruthy(), option(args, named, 2, "blank").IsTruthy()
	lines := strings.Split(s, "\n")
	if err := r.make(len(s) + len(lines)*len(pad)); err != nil {
		return v, err
	}
	for i, line := range lines {
		if (i > 0 || first) && (line != "" || blank) {
			lines[i] = pad + line
		}
	}
	return jinja.NewString(strings.Join(lines, "\n")), nil
}

// mapped is map: an attribute of each item, or a filter of it.
func (r *run) mapped(v value, args []value, named map[string]value) (value, error) {
	items, err := itemsOf(v)
	if err != nil {
		return v, err
	}
	out := make([]value, len(items))
	attribute, byAttribute := named["attribute"]
	byFilter := filters[argument(args, 0)]
	if !byAttribute && byFilter == nil {
		return v, fmt.Errorf("map by the filter %q is not supported", argument(args, 0))
	}
	for i, item := range items {
		if !byAttribute {
			out[i], err = byFilter(r, item, args[1:], named)
		} else if out[i], err = r.path(item, argument([]value{attribute}, 0)); out[i].IsUndefined() {
			if d, ok := named["default"]; ok {
				out[i] = d
			}
		}
		if err != nil {
			return v, err
		}
	}
	return r.list(out)
}

// chosen is select or reject, by a test of each item or of its attribute.
func chosen(byAttribute, keep bool) func(*run, value, []value, map[string]value) (value, error) {
	return func(r *run, v value, args []value, _ map[string]value) (value, error) {
		items, err := itemsOf(v)
		if err != nil {
			return v, err
		}
		attribute := argument(args, 0)
		if byAttribute {
			if attribute == "" {
				return v, errors.New("selectattr and rejectattr take an attribute")
			}
			args = args[1:]
		}
		test := is(value.IsTruthy)
		if len(args) > 0 {
			if test = tests[argument(args, 0)]; test == nil {
				return v, fmt.Errorf("no test named %q", argument(args, 0))
			}
			args = args[1:]
		}
		var out []value
		for _, item := range items {
			tested := item
			if byAttribute {
				if tested, err = r.path(item, attribute); err != nil {
					return v, err
				}
			}
			ok, err := test(r, tested, args)
			if err != nil {
				return v, err
			}
			if ok == keep {
				out = append(out, item)
			}
		}
		return r.list(out)
	}
}

func (r *run) unique(v value, _ []value, _ map[string]value) (value, error) {
	items, err := itemsOf(v)
	if err != nil {
		return v, err
	}
	var out []value
	for _, item := range items {
		if !slices.ContainsFunc(out, func(o value) bool { return r.equal(item, o) }) {
			out = append(out, item)
		}
	}
	return r.list(out)
}
