package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/internal/reliability/killed"
)

// Runs that are killed at random moments, on a disk so slow that many are in a save, end as
// the unbroken one does. make test-long has many more.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains many tiny models")
	}
	program, err := exec.LookPath("slow-train")
	if err != nil {
		t.Fatal(err)
	}
	dir, r := t.TempDir(), rand.New(rand.NewPCG(3, 21))
	files := map[string]string{"tiny.yaml": tinyConfig, "text.txt": strings.Repeat("a deep and thin model reads this line\n", 300)}
	for i := range 20 {
		files[fmt.Sprintf("documents/%02d.txt", i)] = strings.Repeat(fmt.Sprintf("document %d. ", i), 3+i%5)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, set := range map[string]string{
		"packed":  "data={train: documents, tokenizer: bytes, seq: 32, packing: documents, document_mask: true}",
		"mixture": "data={train: [{path: text.txt, weight: 2}, {path: documents, weight: 1}], tokenizer: bytes, seq: 32}",
	} {
		run := killed.Run{
			Program: program, Dir: dir, Env: []string{"SLOW_FILE=15ms"}, Out: name + "-whole",
			Args: []string{"--config", "tiny.yaml", "--steps", "100", "--set", "checkpoint.every=10", "--set", "eval.every=50", "--set", set},
		}
		if err := run.Whole(); err != nil {
			t.Fatal(err)
		}
		want, err := run.Outcome()
		if err != nil {
			t.Fatal(err)
		}
		run.Out = name
		kills, saving, err := run.Killed(r, 3)
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Outcome()
		if err != nil || got != want {
			t.Errorf("%s: killed %d times it ends as %s (%v), want %s", name, kills, got, err, want)
		}
		t.Logf("%s: %d kills, %d in a save, in a life of %v", name, kills, saving, run.Life)
	}
}
