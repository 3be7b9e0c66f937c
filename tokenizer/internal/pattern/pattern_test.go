package pattern

import (
	"strings"
	"testing"
)

// at is the length of the match at the beginning of a text, -1 for none.
func (p *Pattern) at(text string) int {
	m := &machine{Pattern: p}
	m.begin([]byte(text))
	return m.run(p.start, 0)
}

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
		{`a{2}?`, "a", 0},       // a quantifier of a quantifier
		{`a{1,2}+b`, "aaab", 4}, // likewise
		{`a{1,3}?`, "aaa", 1},
		{`a{,}`, "a{,}", 4},
		{`a{x`, "a{x", 3},
		{`(?:|a)*`, "aa", 0}, // an iteration that matches nothing ends the loop
		{`(?m).+`, "a\nb", 3},
		{`a(?i)b|c`, "aC", 2},
		{`(?-i:a)(?i:a)`, "aA", 2},
		{`(?<x>a)b`, "ab", 2},
		{`a(?#c)b`, "ab", 2},
		{`\h\R\O\N`, "f\r\n\nb", 5},
		{`\w`, "²", 2},
		{`[\w]`, "²", -1},
		{`[[:punct:]]`, "$", 1},
		{`\p{P}`, "$", -1},
		{`a(?<=a)(?<!b)b`, "ab", 2},
		{`ab(?<=a.*)`, "ab", 2},
		{`a\Z`, "a\n", 1},
		{`a\z`, "a\n", -1},
		{`a\b`, "ab", -1},
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
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.at(c.text); got != c.want {
			t.Errorf("%s on %q: %d, want %d", c.pattern, c.text, got, c.want)
		}
	}
}

func TestAll(t *testing.T) {
	for _, c := range []struct{ pattern, text, want string }{
		{`\p{N}+`, "é12x3", "é[12]x[3]"},
		{`x*`, "axxb", "[]a[xx]b[]"},
		{`b|`, "abc", "[]a[b]c[]"},
		{`(?=b)`, "ab bxc", "a[]b []bxc"},
		{`^`, "a\nb\n", "[]a\n[]b\n"},
		{`$`, "a\nb\n", "a[]\nb[]\n[]"},
		{``, "é", "[]é[]"},
		{`\b`, "", ""},
		{`.`, "\xff\xe3\x81a", "[\xff][\xe3][\x81][a]"},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := marked(p, c.text); got != c.want {
			t.Errorf("%s on %q: %q, want %q", c.pattern, c.text, got, c.want)
		}
	}
	for literal, want := range map[string]string{"ab": "[ab]x[ab]", "": "[]a[]b[]x[]a[]b[]", "y": "abxab"} {
		if got := marked(Literal(literal), "abxab"); got != want {
			t.Errorf("literal %q: %q, want %q", literal, got, want)
		}
	}
}

// marked is a text with brackets around its matches.
func marked(p interface{ All([]byte, func(int, int)) }, text string) string {
	var out strings.Builder
	from := 0
	p.All([]byte(text), func(start, end int) {
		out.WriteString(text[from:start] + "[" + text[start:end] + "]")
		from = end
	})
	return out.String() + text[from:]
}

// What Oniguruma has and this package lacks, or reads in a way of its own, is refused by
// name, and so is what is no expression at all.
func TestCompileRefuses(t *testing.T) {
	for pattern, want := range map[string]string{
		`(a`: "( without )", `a)`: "unexpected ')'", `[a`: "[ without ]", `*a`: "nothing to repeat", `{2}`: "nothing to repeat",
		`a{3,1}`: "bad count {3,1}", `\p{Nope}`: `unknown property \p{Nope}`, `\pL`: `\p without {`, `\p{Script=Han}`: "unknown property",
		`\q`: `unknown escape \q`, `\1`: `unknown escape \1`, `\K`: `unknown escape \K`, `\X`: `unknown escape \X`, `\Ga`: `unknown escape \G`,
		`[z-a]`: "bad range", `[[:foo:]]`: "unknown class [:foo:]", `\xZZ`: `bad \x`, `\xff`: `bad \x`, `\u{41}`: `bad \u`, `a\`: `\ at the end`,
		`(?s).`: "unknown kind of group (?s)", `(?x)a`: "the option x", `(?P<n>a)`: "unknown kind of group (?P", `(?~a)`: "unknown kind of group (?~",
		`(?(1)a|b)`: "unknown kind of group (?(", `(?i:ss)`: "\"ss\" stands for 'ß'", `(?i)ß`: "'ß' stands for several", `(?i:[\p{L}])`: "a class with 'ß'",
		`(?<=(?>a))b`: "an atomic group or possessive quantifier within a look-behind", `(?<=a(?=b))b`: "a look-around within a look-behind",
		`(?<!\b)b`: `\b or \B within a look-behind`, `(?:a?){2}`: "a count of a part that may be empty", `(?:a*?)+`: "a quantifier of a lazy quantifier",
	} {
		if _, err := Compile(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}
