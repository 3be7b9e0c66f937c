package dedup

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestSignaturesEstimateOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	words := make([]string, 2000)
	for i := range words {
		words[i] = strconv.Itoa(r.IntN(1 << 30))
	}
	whole := strings.Join(words, " ")
	a, _ := Sign([]byte(whole))
	for _, kept := range []int{2000, 1800, 1500, 1000, 300} {
		other := strings.Join(words[:kept], " ")
		for i := kept; i < 2000; i++ {
			other += " x" + strconv.Itoa(i)
		}
		b, _ := Sign([]byte(other))
		shared := float64(kept - shingleWords + 1)
		want := shared / (2*1996 - shared)
		if got := new(Near).overlap(a, b); math.Abs(got-want) > 0.13 {
			t.Errorf("%d words in common: overlap %.2f, want %.2f", kept, got, want)
		}
	}
	upper, _ := Sign([]byte(strings.ToUpper(whole)))
	if lower, _ := Sign([]byte(strings.ToLower(whole))); *upper != *lower {
		t.Error("case matters")
	}
	if _, ok := Sign([]byte(" -- ")); ok {
		t.Error("a text without words has a signature")
	}
}

func TestNear(t *testing.T) {
	base := strings.Repeat("one two three four five six seven eight nine ten. ", 3) + "The quick brown fox jumps over the lazy dog near the river bank at dawn while birds sing."
	n := NewNear(0.7)
	for _, c := range []struct {
		text string
		want bool
	}{
		{base, false},
		{base, true},
		{base + " Amen.", true},
		{"Something else entirely that shares no run of five words with what came before it here.", false},
		{"short text", false},
		{"Short, text!", true},
	} {
		s, ok := Sign([]byte(c.text))
		if !ok || n.Seen(s) != c.want {
			t.Errorf("%q: want %v", c.text, c.want)
		}
	}
}

func TestTasks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a.jsonl", `{"q": {"stem": "A b c d e f g h i j k l m n"}, "choices": ["short one"]}`+"\n")
	b := write("b.txt", "zero one two three four five six seven eight nine ten eleven twelve\n")
	tasks, err := ReadTasks([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if tasks.Grams() != 3 || tasks.Items[0] != 1 || tasks.Short[0] != 1 || tasks.Items[1] != 1 {
		t.Errorf("%+v", tasks)
	}
	for text, want := range map[string]int{
		"he said: b, c, d, e, f, g, h, i, j, K, L, M... N! and":                    0,
		"b c d e f g h i j k l m":                                                  -1,
		"x zero one two three four five six seven eight nine ten eleven\ntwelve y": 1,
		"zero one two three four five six seven eight nine ten eleven and twelve":  -1,
	} {
		if got := tasks.Shared([]byte(text)); got != want {
			t.Errorf("%q: task %d, want %d", text, got, want)
		}
	}
	if _, err := ReadTasks([]string{write("c.txt", "too short")}); err == nil || !strings.Contains(err.Error(), "no text of 13 words") {
		t.Error(err)
	}
	if _, err := ReadTasks([]string{write("d.jsonl", "{\n")}); err == nil || !strings.Contains(err.Error(), "d.jsonl:1: broken JSON") {
		t.Error(err)
	}
}

func TestExact(t *testing.T) {
	seen := Exact{}
	for i, text := range []string{"a", "b", "a", "", ""} {
		if got, want := seen.Seen(SumOf([]byte(text))), i == 2 || i == 4; got != want {
			t.Errorf("text %d (%q): seen %v, want %v", i, text, got, want)
		}
	}
}
