package python

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// golden is what Python itself gives (eval/tasks/testdata/harness.py).
type golden struct {
	Seed    uint32 `json:"seed"`
	Samples []struct {
		N, K  int
		Drawn []int
	} `json:"samples"`
	Case  []struct{ Text, Lower, Capitalize string } `json:"case"`
	Space []rune                                     `json:"space"`
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	text, err := os.ReadFile("../../tasks/testdata/python.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSample(t *testing.T) {
	g := readGolden(t)
	r := NewRandom(g.Seed)
	for _, s := range g.Samples {
		if got := r.Sample(s.N, s.K); !slices.Equal(got, s.Drawn) {
			t.Fatalf("sample(range(%d), %d) is %v, want %v", s.N, s.K, got, s.Drawn)
		}
	}
}

func TestCase(t *testing.T) {
	for _, c := range readGolden(t).Case {
		if got := Lower(c.Text); got != c.Lower {
			t.Errorf("Lower(%q) is %q, want %q", c.Text, got, c.Lower)
		}
		if got := Capitalize(c.Text); got != c.Capitalize {
			t.Errorf("Capitalize(%q) is %q, want %q", c.Text, got, c.Capitalize)
		}
	}
}

func TestIsSpace(t *testing.T) {
	want := readGolden(t).Space
	for r := rune(0); r < 0x3100; r++ {
		if IsSpace(r) != slices.Contains(want, r) {
			t.Errorf("IsSpace(%U) is %v", r, IsSpace(r))
		}
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		`[{'question': 'What?', "options": ["it's", 'a "b"', 'c\'d', '\u00e9\x41\n']}]`: `[{"options":["it's","a \"b\"","c'd","éA\n"],"question":"What?"}]`,
		` [ ] `:        `[]`,
		`['a',]`:       `["a"]`,
		`{'a': {}}`:    `{"a":{}}`,
		`'a\\b'`:       `"a\\b"`,
		`'\U0001f600'`: `"😀"`,
	} {
		value, err := Literal(text)
		got, _ := json.Marshal(value)
		if err != nil || string(got) != want {
			t.Errorf("%s is %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{``, `[`, `['a' 'b']`, `{'a'}`, `{'a': }`, `'a`, `'a\`, `'\x4'`, `'\q'`, `[] []`, `1`, "'\n'"} {
		if value, err := Literal(text); err == nil {
			t.Errorf("%s is %v, want an error", text, value)
		}
	}
	deep := make([]byte, 1<<20)
	for i := range deep {
		deep[i] = '['
	}
	if _, err := Literal(string(deep)); err == nil {
		t.Error("lists without end are read")
	}
}
