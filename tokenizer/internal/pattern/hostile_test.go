package pattern

import (
	"strings"
	"testing"
	"time"

	"mobilellm/internal/testlong"
)

// An expression and a text from strangers take bounded time: what backtracking without
// memory would take exponential or square time for.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes under the race detector")
	}
	size := 20_000
	if testlong.On() {
		size = 100_000
	}
	a, ab := strings.Repeat("a", size), strings.Repeat("ab", size/2)
	for _, tt := range []struct {
		pattern, text string
		matches       int
	}{
		{`(a+)+b`, a, 0},
		{`(a|a)*b`, a, 0},
		{`(?:a*)*b`, a, 0},
		{strings.Repeat("a?", 100) + "b", a, 0},
		{`a+b`, a, 0},
		{`\w*\w*\w*\w*x`, a, 0},
		{`(?:ab)*c`, ab, 0},
		{`(?:a|b|ab)*c`, ab, 0},
		{`a(?=a*b)`, a + "b", size},
		{`(?>a*b|a)`, a, size},
		{`(?:(?:a++b)|a)`, a, size},
		{`a(?!.*c)`, a, size},
		{`(?<=^a*)a`, a, size},
		{`(?<!b.*)a`, a, size},
		{`(?:.*c|.)`, a, size},
		{`(?:a{1,50}){1,3}b`, a, 0},
		{`a{1,512}b`, a, 0},
		{`a{1,100}(?:b|$.)`, a, 0},
		{`a{512}(?!a)|a{256}(?!a)|a{128}(?!a)`, a, 1},
		{`(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[^a]`, a, 0},
		{`(((((((((a*)*)*)*)*)*)*)*)*)*b`, a, 0},
	} {
		p, err := Compile(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		matches := 0
		start := time.Now()
		p.All([]byte(tt.text), func(int, int) { matches++ })
		if matches != tt.matches {
			t.Errorf("%s: %d matches, want %d", tt.pattern, matches, tt.matches)
		}
		took := time.Since(start)
		if t.Logf("%-50s %v", tt.pattern, took.Round(time.Millisecond)); took > 30*time.Second {
			t.Errorf("%s: %v for %d bytes", tt.pattern, took, len(tt.text))
		}
	}
}

// Expressions that are too large are refused, by the name of the limit and soon.
func TestTooLarge(t *testing.T) {
	for name, tt := range map[string]struct{ pattern, want string }{
		"count":          {`a{99999}`, "repeats more than 512 times"},
		"counts":         {`(?:(?:a{200}){200}){200}`, "more than 2000 steps"},
		"optional":       {`(?:(?:ab)?cd){500}`, "more than 2000 steps"},
		"deep":           {strings.Repeat("(", 1000) + strings.Repeat(")", 1000), "nested deeper than 100"},
		"deep classes":   {strings.Repeat("[", 1000) + "a" + strings.Repeat("]", 1000), "nested deeper than 100"},
		"empty loops":    {strings.Repeat("(?:", 40) + "a*" + strings.Repeat("|)*", 40), "more than 2000 steps"},
		"long":           {strings.Repeat("a", 100_000), "more than 2000 parts"},
		"options":        {strings.Repeat("(?i)", 100_000), "more than 2000 parts"},
		"wide class":     {"[" + strings.Repeat(`\p{L}`, 100_000) + "]", "classes of more than 16384 parts"},
		"many classes":   {strings.Repeat(`[\p{L}&&\p{N}]`, 100_000), "more than 2000 parts"},
		"folded classes": {strings.Repeat(`(?i:[A-Z])`, 100_000), "more than 2000 parts"},
	} {
		start := time.Now()
		_, err := Compile(tt.pattern)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 {
			t.Errorf("%s: %.500v, want %s", name, err, tt.want)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// Whatever an expression says, its matches lie one behind the other in the text, and
// remembering changes none.
func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{`(?i:'s|[a-z]+)|\s+(?!\S)`, `(?<=a)b*?|[^\p{L}&&\S]{2,3}+`, `(?>a|ab)(?m:.)\b$`, `[[:alpha:]]++\R|\x41`, `((a*)*|b)+?`} {
		f.Add(pattern, "ab A's \r\né\xff 12")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if len(text) > 1000 {
			return
		}
		p, err := Compile(expression)
		if err != nil {
			return
		}
		var matches []int
		last := 0
		p.All([]byte(text), func(start, end int) {
			if start < last || end < start || end > len(text) {
				t.Fatalf("%s on %q: a match from %d to %d behind %d", expression, text, start, end, last)
			}
			last = end
			matches = append(matches, start, end)
		})
		m := &machine{Pattern: p}
		m.begin([]byte(text))
		m.remember()
		m.all(func(start, end int) {
			if len(matches) < 2 || matches[0] != start || matches[1] != end {
				t.Fatalf("%s on %q: remembering, a match from %d to %d, want %v", expression, text, start, end, matches)
			}
			matches = matches[2:]
		})
		if len(matches) > 0 {
			t.Fatalf("%s on %q: remembering, %v is missing", expression, text, matches)
		}
	})
}
