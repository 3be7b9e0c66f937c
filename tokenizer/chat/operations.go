package chat

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ardanlabs/jinja"
)

// numberOf is a number's or a boolean's value.
func numberOf(v value) (i int64, f float64, ok bool) {
	switch {
	case v.IsBool() && v.AsBool():
		return 1, 1, true
	case v.IsBool():
		return 0, 0, true
	case v.IsInt():
		return v.AsInt(), float64(v.AsInt()), true
	case v.IsFloat():
		return 0, v.AsFloat(), true
	}
	return 0, 0, false
}

// math(operator, left, right) is Python's arithmetic, and ~.
func (r *run) math(args []value, _ map[string]value) (value, error) {
	op, a, b := args[0].AsString(), args[1], args[2]
	switch {
	case op == "~":
		return r.concat(a, b)
	case op == "+" && a.IsString() && b.IsString():
		return r.concat(a, b)
	case op == "+" && a.IsList() && b.IsList():
		return r.list(slices.Concat(a.AsList().Items, b.AsList().Items))
	case op == "*" && a.IsString() && b.IsInt():
		return r.repeat(a.AsString(), b.AsInt())
	case op == "*" && a.IsInt() && b.IsString():
		return r.repeat(b.AsString(), a.AsInt())
	}
	ai, af, ok := numberOf(a)
	bi, bf, too := numberOf(b)
	if !ok || !too {
		return a, fmt.Errorf("%s %s %s", kindOf(a), op, kindOf(b))
	}
	if (op == "/" || op == "//" || op == "%") && bf == 0 {
		return a, errors.New("division by zero")
	}
	if op == "/" || op == "**" && bf < 0 || a.IsFloat() || b.IsFloat() {
		return jinja.NewFloat(floats(op, af, bf)), nil
	}
	return ints(op, ai, bi)
}

func floats(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "//":
		return math.Floor(a / b)
	case "%":
		return a - b*math.Floor(a/b)
	}
	return math.Pow(a, b)
}

// ints is arithmetic of integers; beyond 64 bits it is an error.
func ints(op string, a, b int64) (value, error) {
	if f := floats(op, float64(a), float64(b)); math.Abs(f) >= 1<<62 {
		return jinja.None(), fmt.Errorf("%d %s %d is too large", a, op, b)
	}
	var n int64
	switch op {
	case "+":
		n = a + b
	case "-":
		n = a - b
	case "*":
		n = a * b
	case "//", "%":
		n = a / b
		if n*b != a && (a < 0) != (b < 0) {
			n--
		}
		if op == "%" {
			n = a - n*b
		}
	case "**":
		for n = 1; b > 0; b-- {
			if n *= a; n == 0 || a == 1 {
				break
			}
			if a == -1 {
				n, b = 1-2*(b%2), 1
			}
		}
	}
	return jinja.NewInt(n), nil
}

func (r *run) concat(a, b value) (value, error) {
	left, err := r.str(a)
	if err != nil {
		return a, err
	}
	right, err := r.str(b)
	if err != nil {
		return b, err
	}
	if err := r.make(len(left) + len(right)); err != nil {
		return a, err
	}
	return jinja.NewString(left + right), nil
}

func (r *run) repeat(s string, n int64) (value, error) {
	n = max(n, 0)
	if n > maxBytes*perByte {
		n = math.MaxInt32
	}
	if err := r.make(int(n) * len(s)); err != nil {
		return jinja.None(), err
	}
	return jinja.NewString(strings.Repeat(s, int(n))), nil
}

// compare(operator, left, right).
func (r *run) compare(args []value, _ map[string]value) (value, error) {
	op, a, b := args[0].AsString(), args[1], args[2]
	switch op {
	case "==":
		return jinja.NewBool(r.equal(a, b)), r.tick()
	case "!=":
		return jinja.NewBool(!r.equal(a, b)), r.tick()
	}
	order, err := orderOf(a, b)
	if err != nil {
		return a, err
	}
	switch op {
	case "<":
		return jinja.NewBool(order < 0), nil
	case "<=":
		return jinja.NewBool(order <= 0), nil
	case ">":
		return jinja.NewBool(order > 0), nil
	}
	return jinja.NewBool(order >= 0), nil
}

func orderOf(a, b value) (int, error) {
	if a.IsString() && b.IsString() {
		return cmp.Compare(a.AsString(), b.AsString()), nil
	}
	_, af, ok := numberOf(a)
	_, bf, too := numberOf(b)
	if !ok || !too {
		return 0, fmt.Errorf("%s has no order with %s", kindOf(a), kindOf(b))
	}
	return cmp.Compare(af, bf), nil
}

// equal compares values, lists and dicts item by item. It is true when the bounds are
// reached, which ends what searches by it, and the next tick says so.
func (r *run) equal(a, b value) bool {
	if r.left--; r.left%1024 == 0 && r.tick() != nil || r.left <= 0 {
		r.left = 0
		return true
	}
	_, af, ok := numberOf(a)
	_, bf, too := numberOf(b)
	switch {
	case ok && too:
		return af == bf
	case a.IsList() && b.IsList():
		return slices.EqualFunc(a.AsList().Items, b.AsList().Items, r.equal)
	case a.IsDict() && b.IsDict():
		return maps.EqualFunc(a.AsDict().Data, b.AsDict().Data, r.equal)
	}
	return !a.IsList() && !a.IsDict() && a.Equals(b)
}

func (r *run) in(args []value, _ map[string]value) (value, error) {
	found, err := r.contains(args[1], args[0])
	if err == nil {
		err = r.tick()
	}
	return jinja.NewBool(found), err
}

func (r *run) contains(all, v value) (bool, error) {
	switch {
	case all.IsString() && v.IsString():
		return strings.Contains(all.AsString(), v.AsString()), nil
	case all.IsDict():
		return v.IsString() && all.AsDict().Has(v.AsString()), nil
	case all.IsList():
		return slices.ContainsFunc(all.AsList().Items, func(item value) bool { return r.equal(item, v) }), nil
	case all.IsUndefined():
		return false, nil
	}
	return false, fmt.Errorf("%s in %s", kindOf(v), kindOf(all))
}

// tests are those behind is.
var tests = map[string]func(r *run, v value, args []value) (bool, error){
	"defined":   is(func(v value) bool { return !v.IsUndefined() }),
	"undefined": is(value.IsUndefined),
	"none":      is(value.IsNone),
	"boolean":   is(value.IsBool),
	"true":      is(func(v value) bool { return v.IsBool() && v.AsBool() }),
	"false":     is(func(v value) bool { return v.IsBool() && !v.AsBool() }),
	"integer":   is(value.IsInt),
	"float":     is(value.IsFloat),
	"number":    is(func(v value) bool { return v.IsNumber() || v.IsBool() }),
	"string":    is(value.IsString),
	"mapping":   is(value.IsDict),
	"sequence":  is(sequence),
	"iterable":  is(sequence),
	"callable":  is(value.IsCallable),
	"odd":       is(func(v value) bool { return v.IsInt() && v.AsInt()%2 != 0 }),
	"even":      is(func(v value) bool { return v.IsInt() && v.AsInt()%2 == 0 }),
	"upper":     is(func(v value) bool { return v.IsString() && strings.ToUpper(v.AsString()) == v.AsString() }),
	"lower":     is(func(v value) bool { return v.IsString() && strings.ToLower(v.AsString()) == v.AsString() }),
	"in":        with(func(r *run, v, all value) (bool, error) { return r.contains(all, v) }),
	"divisibleby": with(func(r *run, v, by value) (bool, error) {
		if !v.IsInt() || !by.IsInt() || by.AsInt() == 0 {
			return false, fmt.Errorf("%s divisible by %s", kindOf(v), kindOf(by))
		}
		return v.AsInt()%by.AsInt() == 0, nil
	}),
	"eq": equals, "==": equals, "equalto": equals, "sameas": equals,
	"ne": with(func(r *run, v, w value) (bool, error) { return !r.equal(v, w), nil }),
	"!=": with(func(r *run, v, w value) (bool, error) { return !r.equal(v, w), nil }),
	"lt": less, "<": less, "lessthan": less,
	"gt": greater, ">": greater, "greaterthan": greater,
	"le": with(func(r *run, v, w value) (bool, error) { n, err := orderOf(v, w); return n <= 0, err }),
	"<=": with(func(r *run, v, w value) (bool, error) { n, err := orderOf(v, w); return n <= 0, err }),
	"ge": with(func(r *run, v, w value) (bool, error) { n, err := orderOf(v, w); return n >= 0, err }),
	">=": with(func(r *run, v, w value) (bool, error) { n, err := orderOf(v, w); return n >= 0, err }),
}

var (
	equals  = with(func(r *run, v, w value) (bool, error) { return r.equal(v, w), nil })
	less    = with(func(r *run, v, w value) (bool, error) { n, err := orderOf(v, w); return n < 0, err })
	greater = with(func(r *run, v, w value) (bool, error) { n, err := orderOf(v, w); return n > 0, err })
)

func sequence(v value) bool { return v.IsList() || v.IsDict() || v.IsString() || v.IsUndefined() }

func is(f func(value) bool) func(*run, value, []value) (bool, error) {
	return func(_ *run, v value, _ []value) (bool, error) { return f(v), nil }
}

func with(f func(r *run, v, other value) (bool, error)) func(*run, value, []value) (bool, error) {
	return func(r *run, v value, args []value) (bool, error) {
		if len(args) != 1 {
			return false, fmt.Errorf("a test with %d arguments, not 1", len(args))
		}
		return f(r, v, args[0])
	}
}

// test(name, value, arguments…).
func (r *run) test(args []value, _ map[string]value) (value, error) {
	found, err := tests[args[0].AsString()](r, args[1], args[2:])
	if err == nil {
		err = r.tick()
	}
	return jinja.NewBool(found), err
}
