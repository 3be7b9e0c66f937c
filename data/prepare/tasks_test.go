package prepare

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFindTasks(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"eval/arc_easy/test.jsonl", "eval/arc_easy/train.jsonl", "eval/siqa/dev.jsonl", "eval/readme.txt", "eval/only/train.jsonl", "mine.txt"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("{}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		sets, dir, want, err string
	}{
		{"mine.txt", "", "mine.txt", ""},
		{"mine.txt", "eval", "mine.txt", ""},
		{"eval/*/*.jsonl", "", "eval/*/*.jsonl", ""},
		{"arc_easy", "eval", "eval/arc_easy/test.jsonl", ""},
		{"ARC-e siqa", "eval", "eval/arc_easy/test.jsonl eval/siqa/dev.jsonl", ""},
		{"social_iqa mine.txt", "eval", "eval/siqa/dev.jsonl mine.txt", ""},
		{"hellaswag", "eval", "", "benchmark \"hellaswag\" is neither a path nor a folder of eval\nhint: there are arc_easy, only, siqa, and all"},
		{"only", "eval", "", "holds no split but that to train on"},
		{"all", "eval/siqa", "", "holds no benchmark"},
		{"arc_easy", "nowhere", "", "nowhere"},
		{"arc_easy", "", "", "benchmark set arc_easy does not exist\nhint: "},
	} {
		got, err := FindTasks(strings.Fields(tt.sets), tt.dir)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s in %q: error %v, want %s", tt.sets, tt.dir, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s in %q: %v, %v, want %s", tt.sets, tt.dir, got, err, tt.want)
		}
	}
	if err := os.RemoveAll("eval/only"); err != nil {
		t.Fatal(err)
	}
	if got, err := FindTasks([]string{AllTasks}, "eval"); err != nil || len(got) != 2 {
		t.Errorf("all: %v, %v", got, err)
	}
}
