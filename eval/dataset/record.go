package dataset

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"mobilellm/data/ingest"
)

// Record is an object of a data set.
type Record struct {
	Name   string         // of its place: the file with :LINE, [ITEM] or #ROW
	Fields map[string]any // string, float64, bool, nil, []any, map[string]any
	fault  *fault
	absent string // where the field "label" was looked for besides
}

// fault is the first thing that is wrong with a record and the objects in it.
type fault struct {
	err     error
	missing bool
}

// NewRecord is a record of fields that were read otherwise.
func NewRecord(name string, fields map[string]any) *Record {
	return &Record{Name: name, Fields: fields, fault: new(fault)}
}

// Fail remembers what is wrong with the record, unless something is already.
func (r *Record) Fail(format string, args ...any) {
	if r.fault.err == nil {
		r.fault.err = fmt.Errorf(format, args...)
	}
}

// Err is the first thing that was wrong.
func (r *Record) Err() error { return r.fault.err }

// Missing says whether what was wrong is a field that is not there.
func (r *Record) Missing() bool { return r.fault.missing }

// Has says whether there is a field that is not null.
func (r *Record) Has(name string) bool { return r.value(name) != nil }

// value is a field's value, nil for none.
func (r *Record) value(name string) any {
	if v, ok := r.Fields[name]; ok {
		return v
	}
	head, rest, dotted := strings.Cut(name, ".")
	if inner, ok := r.Fields[head].(map[string]any); ok && dotted {
		return (&Record{Fields: inner}).value(rest)
	}
	return nil
}

// want is the value of a field that must be there.
func (r *Record) want(name string) any {
	v := r.value(name)
	if v == nil {
		r.fault.missing = r.fault.missing || r.fault.err == nil
		elsewhere := ""
		if name == "label" && r.absent != "" {
			elsewhere = ", and no file " + r.absent
		}
		r.Fail("no field %q%s, there is %s", name, elsewhere, ingest.Clean(strings.Join(slices.Sorted(maps.Keys(r.Fields)), ", ")))
	}
	return v
}

// Text is a field that is a string.
func (r *Record) Text(name string) string {
	v := r.want(name)
	text, ok := v.(string)
	if v != nil && !ok {
		r.Fail("field %q is no string: %v", name, v)
	}
	return text
}

// Texts is a field that is a list of strings.
func (r *Record) Texts(name string) []string {
	list := r.List(name)
	texts := make([]string, len(list))
	for i, v := range list {
		text, ok := v.(string)
		if !ok {
			r.Fail("field %q is no list of strings: %v", name, v)
		}
		texts[i] = text
	}
	return texts
}

// List is a field that is a list.
func (r *Record) List(name string) []any {
	v := r.want(name)
	list, ok := v.([]any)
	if v != nil && !ok {
		r.Fail("field %q is no list: %v", name, v)
	}
	return list
}

// IsList says whether a field is a list.
func (r *Record) IsList(name string) bool {
	_, ok := r.value(name).([]any)
	return ok
}

// IsText says whether a field is a string.
func (r *Record) IsText(name string) bool {
	_, ok := r.value(name).(string)
	return ok
}

// Objects is a field that is a list of objects; what is wrong with one is wrong with the
// record.
func (r *Record) Objects(name string) []*Record {
	list := r.List(name)
	objects := make([]*Record, len(list))
	for i, v := range list {
		fields, ok := v.(map[string]any)
		if !ok {
			r.Fail("field %q is no list of objects: %v", name, v)
		}
		objects[i] = &Record{Name: r.Name, Fields: fields, fault: r.fault}
	}
	return objects
}

// Int is a field that is a whole number, as such, in a string, or false and true for 0
// and 1.
func (r *Record) Int(name string) int {
	switch v := r.want(name).(type) {
	case nil:
	case bool:
		if v {
			return 1
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v)
		}
		r.Fail("field %q is no whole number: %v", name, v)
	case string:
		n, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil {
			r.Fail("field %q is no whole number: %q", name, v)
		}
		return n
	default:
		r.Fail("field %q is no whole number: %v", name, v)
	}
	return 0
}

// Index is the place of a field's text in a list, such as the label of the right choice.
func (r *Record) Index(name string, list []string) int {
	text := strings.TrimSpace(r.Text(name))
	at := slices.Index(list, text)
	if at < 0 {
		r.Fail("field %q is %q, none of %q", name, text, list)
		return 0
	}
	return at
}

// Key tells records of the same fields from others.
func (r *Record) Key() string {
	key, _ := json.Marshal(r.Fields) // of values that came from JSON
	return string(key)
}
