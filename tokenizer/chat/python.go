package chat

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/ardanlabs/jinja"
)

// str is Python's str: what an output or ~ makes of a value.
func (r *run) str(v value) (string, error) {
	switch {
	case v.IsString():
		return v.AsString(), nil
	case v.IsUndefined():
		return "", nil
	}
	w := &writer{run: r}
	err := w.repr(v, 0)
	return w.b.String(), err
}

// writer writes values as Python does. indent < 0 is one line.
type writer struct {
	run             *run
	b               strings.Builder
	item, key       string
	indent          int
	ascii, sortKeys bool
}

func (w *writer) write(s string) error {
	w.b.WriteString(s)
	return w.run.make(len(s))
}

// repr is Python's.
func (w *writer) repr(v value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: lists %d deep", ErrBound, depth)
	}
	switch {
	case v.IsString():
		return w.write(quote(v.AsString()))
	case v.IsList():
		return w.sequence("[", "]", v.AsList().Len(), ", ", "", "", func(i int) error {
			return w.repr(v.AsList().Get(i), depth+1)
		})
	case v.IsDict():
		d := v.AsDict()
		return w.sequence("{", "}", d.Len(), ", ", "", "", func(i int) error {
			if err := w.write(quote(d.Keys[i]) + ": "); err != nil {
				return err
			}
			return w.repr(d.Data[d.Keys[i]], depth+1)
		})
	case v.IsFloat():
		return w.write(float(v.AsFloat(), "nan", "inf"))
	case v.IsUndefined():
		return w.write("Undefined")
	case v.IsCallable():
		return errors.New("a function cannot be printed")
	}
	return w.write(v.String()) // None, True, an integer
}

func (w *writer) sequence(begin, end string, n int, separator, inner, outer string, item func(int) error) error {
	if n == 0 {
		return w.write(begin + end)
	}
	before := begin + inner
	for i := range n {
		if err := w.write(before); err != nil {
			return err
		}
		if err := item(i); err != nil {
			return err
		}
		before = separator + inner
	}
	return w.write(outer + end)
}

// quote is Python's repr of a string.
func quote(s string) string {
	mark := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	var b strings.Builder
	b.WriteRune(mark)
	for _, c := range s {
		switch {
		case c == mark || c == '\\':
			b.WriteRune('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteRune(mark)
	return b.String()
}

// float is Python's repr of a float.
func float(f float64, nan, inf string) string {
	switch {
	case math.IsNaN(f):
		return nan
	case math.IsInf(f, 1):
		return inf
	case math.IsInf(f, -1):
		return "-" + inf
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// tojson is the filter that transformers gives templates: json.dumps without escapes
// of what is not ASCII, the keys in their order.
func (r *run) tojson(v value, args []value, named map[string]value) (value, error) {
	w := &writer{run: r, item: ", ", key: ": ", indent: -1}
	w.ascii = option(args, named, 0, "ensure_ascii").IsTruthy()
	if indent := option(args, named, 1, "indent"); indent.IsInt() {
		if indent.AsInt() > 64 {
			return v, fmt.Errorf("tojson: an indent of %d; at most 64", indent.AsInt())
		}
		w.indent, w.item = int(max(indent.AsInt(), 0)), ","
	}
	if separators := option(args, named, 2, "separators"); separators.IsList() {
		parts := separators.AsList().Items
		if len(parts) != 2 || !parts[0].IsString() || !parts[1].IsString() {
			return v, errors.New("tojson: separators are two strings")
		}
		w.item, w.key = parts[0].AsString(), parts[1].AsString()
	}
	w.sortKeys = option(args, named, 3, "sort_keys").IsTruthy()
	if err := w.json(v, 0); err != nil {
		return v, err
	}
	return jinja.NewString(w.b.String()), nil
}

func (w *writer) json(v value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: lists %d deep", ErrBound, depth)
	}
	inner, outer := "", ""
	if w.indent >= 0 {
		outer = "\n" + strings.Repeat(" ", w.indent*depth)
		inner = outer + strings.Repeat(" ", w.indent)
	}
	switch {
	case v.IsNone():
		return w.write("null")
	case v.IsBool():
		return w.write(strconv.FormatBool(v.AsBool()))
	case v.IsInt():
		return w.write(strconv.FormatInt(v.AsInt(), 10))
	case v.IsFloat():
		return w.write(float(v.AsFloat(), "NaN", "Infinity"))
	case v.IsString():
		return w.write(w.jsonString(v.AsString()))
	case v.IsList():
		return w.sequence("[", "]", v.AsList().Len(), w.item, inner, outer, func(i int) error {
			return w.json(v.AsList().Get(i), depth+1)
		})
	case v.IsDict():
		d := v.AsDict()
		keys := d.Keys
		if w.sortKeys {
			keys = slices.Sorted(slices.Values(keys))
		}
		return w.sequence("{", "}", d.Len(), w.item, inner, outer, func(i int) error {
			if err := w.write(w.jsonString(keys[i]) + w.key); err != nil {
				return err
			}
			return w.json(d.Data[keys[i]], depth+1)
		})
	}
	return fmt.Errorf("tojson: %s is no JSON", kindOf(v))
}

func (w *writer) jsonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < 0x20 || w.ascii && c > 0x7e && c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		case w.ascii && c >= 0x10000:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// strftime are the directives of strftime_now in Go's terms.
var strftime = map[string]string{
	"Y": "2006", "y": "06", "m": "01", "-m": "1", "B": "January", "b": "Jan", "d": "02", "-d": "2", "e": "_2",
	"j": "002", "A": "Monday", "a": "Mon", "H": "15", "I": "03", "-I": "3", "M": "04", "S": "05", "p": "PM",
	"F": "2006-01-02", "T": "15:04:05", "D": "01/02/06", "R": "15:04", "f": "000000",
}

func (r *run) strftimeNow(args []value, _ map[string]value) (value, error) {
	now := r.now
	if now.IsZero() {
		now = time.Now()
	}
	format := argument(args, 0)
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(format, "%")
		b.WriteString(before)
		if !found {
			return r.string(b.String())
		}
		n := 1
		if strings.HasPrefix(rest, "-") {
			n = 2
		}
		n = min(n, len(rest))
		switch layout, ok := strftime[rest[:n]]; {
		case ok && rest[:n] == "f":
			b.WriteString(strings.TrimPrefix(now.Format(".000000"), "."))
		case ok:
			b.WriteString(now.Format(layout))
		case rest[:n] == "%":
			b.WriteByte('%')
		default:
			return jinja.None(), fmt.Errorf("strftime_now: %%%s is not supported", rest[:n])
		}
		format = rest[n:]
	}
}
