package chat

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestBounds(t *testing.T) {
	doubling := "{% set n = namespace(a='0123456789abcdef') %}{% for i in range(40) %}{% set n.a = OP %}{% endfor %}"
	deep := "{% set a = [1] %}" + strings.Repeat("{% set a = [a, a] %}", 60)
	for name, source := range map[string]string{
		"equal lists":                 deep + "{% set b = a[0] %}{{ [b, b] == a }}",
		"in a list":                   deep + "{{ [a[0], a[0]] in [a] }}",
		"unique lists":                deep + "{{ [a, [a[0], a[0]]] | unique | length }}",
		"a held list":                 deep + "{% set n = namespace(a=a) %}",
		"a printed list":              deep + "{{ a }}",
		"a list as JSON":              deep + "{{ a | tojson }}",
		"loops in loops":              "{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}",
		"loops of nothing":            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
		"loops that compute":          "{% for a in range(100000) %}{% for b in range(100000) %}{% if b < 0 %}x{% endif %}{% endfor %}{% endfor %}",
		"a range":                     "{% for a in range(1000000000000) %}{{ a }}{% endfor %}",
		"a range to the end":          "{{ range(9223372036854775800, 9223372036854775807, 5) | list | length }}{{ range(9223372036854775807) | list }}",
		"text in loops":               "{% for a in range(1000000) %}" + strings.Repeat("x", 10000) + "{% endfor %}",
		"doubling":                    strings.ReplaceAll(doubling, "OP", "n.a ~ n.a"),
		"adding":                      strings.ReplaceAll(doubling, "OP", "n.a + n.a"),
		"repeating":                   strings.ReplaceAll(doubling, "OP", "n.a * 10"),
		"replacing":                   strings.ReplaceAll(doubling, "OP", "n.a.replace('0', n.a)"),
		"the filter replace":          strings.ReplaceAll(doubling, "OP", "n.a | replace('0', n.a)"),
		"replacing nothing":           strings.ReplaceAll(doubling, "OP", "n.a.replace('', n.a)"),
		"joining":                     strings.ReplaceAll(doubling, "OP", "[n.a, n.a] | join(n.a)"),
		"a string's join":             strings.ReplaceAll(doubling, "OP", "n.a.join([n.a, n.a])"),
		"formats":                     strings.ReplaceAll(doubling, "OP", "'{0}{0}'.format(n.a)"),
		"indents":                     strings.ReplaceAll(doubling, "OP", "('\n' ~ n.a) | indent(n.a)"),
		"a wide indent":               "{{ 'a\nb' | indent(1000000000000) }}",
		"a repeated string":           "{{ 'x' * 9000000000000000000 }}",
		"lists of lists":              "{% set n = namespace(a=[1, 2]) %}{% for i in range(40) %}{% set n.a = n.a + n.a %}{% endfor %}",
		"lists in lists":              "{% set n = namespace(a=[]) %}{% for i in range(100000) %}{% set n.a = [n.a, n.a] %}{% endfor %}",
		"captured":                    "{% set x %}{% for a in range(1000000) %}0123456789012345678901234567890123456789012345678901234567890123456789{% endfor %}{% endset %}",
		"JSON":                        "{% set x = range(100000) | list %}{% for a in x %}{% set y = x | tojson(indent=64) %}{% endfor %}",
		"a macro that calls itself":   "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"macros that call each other": "{% macro f(n) %}{% if n %}{{ g(n) }}{% endif %}{% endmacro %}{% macro g(n) %}{% set x = f(n + 1) %}{% endmacro %}{{ f(1) }}",
		"a caller that calls":         "{% macro f() %}{% call f() %}x{% endcall %}{% endmacro %}{{ f() }}",
		"a default that calls":        "{% macro f(x=f()) %}{% endmacro %}{{ f() }}",
		"an argument that calls":      "{% macro f(x) %}{% if f(1) %}{% endif %}{% endmacro %}{{ f(0) }}",
		"macros that double":          "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
	} {
		template, err := Parse(source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		template.time = 50 * time.Millisecond
		start := time.Now()
		_, err = template.Render(context.Background(), Input{})
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrBound) {
			t.Errorf("%s: %v, want %v", name, err, ErrBound)
		}
		if took > maxTime { // one step may be a large one
			t.Errorf("%s: took %v", name, took)
		}
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 1<<30 {
			t.Errorf("%s: the heap grew by %d MB", name, grown>>20)
		}
	}
}

// A namespace that held itself would never end printing.
func TestNamespaceInItself(t *testing.T) {
	for _, source := range []string{
		"{% set n = namespace() %}{% set n.a = n %}{{ n }}",
		"{% set n = namespace() %}{% set n.a = [{'x': n}] %}{{ n }}",
		"{% set n = namespace() %}{% set m = namespace(a=n) %}{% set n.a = m %}{{ n == m }}",
		"{% set n = namespace() %}{% set m = namespace({'a': n}) %}{% set n.a = m %}{{ n == m }}",
	} {
		if text, err := render(source, Input{}); err == nil {
			t.Errorf("%s: %q, want an error", source, text)
		}
	}
}

func render(source string, in Input) (string, error) {
	template, err := Parse(source)
	if err != nil {
		return "", err
	}
	return template.Render(context.Background(), in)
}

func TestContextEndsRendering(t *testing.T) {
	template, err := Parse("{% for a in range(100000) %}{% for b in range(100000) %}{% set c = 1 %}{% endfor %}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = template.Render(ctx, Input{})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// Sources that would deepen the stack of a parser.
func TestNestedSources(t *testing.T) {
	many := func(s string) string { return strings.Repeat(s, 1000) }
	for name, source := range map[string]string{
		"brackets":     "{{ " + many("(") + "1" + many(")") + " }}",
		"lists":        "{{ " + many("[") + many("]") + " }}",
		"not":          "{{ " + many("not ") + "1 }}",
		"minus":        "{{ " + many("- ") + "1 }}",
		"else":         "{{ " + many("1 if 0 else ") + "1 }}",
		"subscripts":   "{{ " + many("a[") + "1" + many("]") + " }}",
		"blocks":       many("{% if 1 %}") + many("{% endif %}"),
		"a long chain": "{{ 1" + strings.Repeat(" + 1", maxTokens) + " }}",
		"a long text":  strings.Repeat("x", maxSource+1),
	} {
		if _, err := Parse(source); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	long := "{{ 1" + strings.Repeat(" + 1", maxTokens/2-10) + " }}"
	if text, err := render(long, Input{}); err != nil || text != "4991" {
		t.Errorf("a chain of additions: %.20q, %v", text, err)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("{% for m in messages %}{{ m.role ~ m.content }}{% endfor %}", `{"role": "user", "content": "x"}`)
	f.Add("{% macro f(a, b=1) %}{{ f(a) }}{% endmacro %}{{ f(1) }}", `{"role": "user", "content": [{"type": "text", "text": "é"}]}`)
	f.Add("{% set n = namespace(a=1) %}{% for x in range(9) if x %}{% set n.a = n.a * 7 %}{% endfor %}{{ n.a }}", `{"role": "a"}`)
	f.Add("{%- raw -%}{{{%- endraw %}{# #}{{ 'a'[::-1] | tojson(indent=2) }}", `{}`)
	f.Add("{% generation %}{{ messages | tojson }}{% endgeneration %}", `{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}`)
	f.Add("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') | indent(3) }}", `{"role": "user", "content": null}`)
	f.Add("{% call(x) f(1) %}{{ x }}{% endcall %}{% filter upper %}a{% endfilter %}{% set x | trim %}b{% endset %}", `[]`)
	for name := range named {
		source, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source, `{"role": "assistant", "content": "x"}`)
	}
	f.Fuzz(func(t *testing.T, source, raw string) {
		var in Input
		var m Message
		if m.UnmarshalJSON([]byte(raw)) == nil {
			in.Messages = []Message{m}
		}
		template, err := Parse(source)
		if err != nil {
			return
		}
		template.time = 200 * time.Millisecond
		start := time.Now()
		text, err := template.Render(context.Background(), in)
		if took := time.Since(start); took > 5*maxTime {
			t.Errorf("took %v", took)
		}
		if err == nil && len(text) > maxBytes+perByte*(len(raw)+1) {
			t.Errorf("%d bytes", len(text))
		}
		if _, _, spansErr := template.RenderSpans(context.Background(), in); err != nil && spansErr == nil {
			t.Errorf("%v without spans, nothing with them", err)
		}
	})
}
