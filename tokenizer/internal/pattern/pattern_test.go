package pattern

import (
	"strings"
	"testing"
	"unicode"
)

var tables = Tables{Letter: unicode.IsLetter, Number: unicode.IsNumber, Space: unicode.IsSpace}

func TestAt(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          int // length of the match at the beginning, -1 for none
	}{
		{`abc`, "abcd", 3},
		{`ab|abc`, "abcd", 2}, // the first alternative wins, not the longest
		{`(?:ab|a)b`, "abb", 3},
		{`a*`, "aaab", 3},
		{`a*?b`, "aaab", 4},
		{`a*+a`, "aaa", -1},
		{`(?>a*)a`, "aaa", -1},
		{`(?:ab)++c`, "ababc", 5},
		{`a{2}`, "aaa", 2},
		{`a{2,}`, "aaaa", 4},
		{`a{1,3}`, "aaaa", 3},
		{`a{,2}`, "aaaa", 2},
		{`\s+(?!\S)`, "   x", 2},
		{`\s+(?!\S)`, " x", -1},
		{`\p{L}+`, "añ日1", 6},
		{`\P{L}+`, "12a", 2},
		{`\p{^L}+`, "12a", 2},
		{`\p{Lu}\p{Ll}`, "Éa", 3},
		{`\p{Han}+`, "日本x", 6},
		{`[^\s\p{L}]+`, "1-2 a", 3},
		{`[a-c\-x]+`, "ab-xd", 4},
		{`[a-z&&[^b]]+`, "aab", 2},
		{`[]a]+`, "]a]b", 3},
		{`(?i:'S|k)`, "'s", 2},
		{`(?i:'s)`, "'ſ", 3},
		{`(?i:[a-z])k`, "Ak", 2},
		{`(?i:a)b`, "AB", -1},
		{`\x41\x{1F600}\u0042`, "A😀B", 6},
		{`.+`, "a\nb", 1},
		{`a$`, "a\n", 1},
		{`^a`, "a", 1},
		{`(?=ab)a`, "ab", 1},
		{`(a|b)*c`, "abac", 4},
		{`(?:a?)*b`, "aab", 3},
		{`\d\w\W\D`, "1_-x", 4},
		{`[^a]`, "\xff", 1},
	} {
		p, err := Compile(c.pattern, tables)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.At([]byte(c.text), 0); got != c.want {
			t.Errorf("%s on %q: %d, want %d", c.pattern, c.text, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	p, err := Compile(`\p{N}+`, tables)
	if err != nil {
		t.Fatal(err)
	}
	if start, end, ok := p.Find([]byte("é12x"), 0); start != 2 || end != 4 || !ok {
		t.Error(start, end, ok)
	}
	if _, _, ok := p.Find([]byte("é12x"), 4); ok {
		t.Error("found where there is none")
	}
}

func TestCompileRefuses(t *testing.T) {
	for pattern, want := range map[string]string{
		`(a`: "( without )", `a)`: "unexpected ')'", `[a`: "[ without ]", `*a`: "nothing to repeat", `a{x}`: "bad count",
		`a{2`: "{ without }", `\p{Nope}`: `unknown property \p{Nope}`, `\pL`: `\p without {`, `(?<=a)b`: "unknown kind of group",
		`\q`: `unknown escape \q`, `[z-a]`: "bad range", `[[:alpha:]]`: "POSIX", `\xZZ`: `bad \x`, `a\`: `\ at the end`,
	} {
		if _, err := Compile(pattern, tables); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}
