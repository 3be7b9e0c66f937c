package topk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The reader that docs/format/teacher.md shows reads what this package writes.
func TestPythonReader(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("needs python3: %v", err)
	}
	page, err := os.ReadFile("../../docs/format/teacher.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(page), "```python\n")
	code, _, closed := strings.Cut(code, "```")
	if !ok || !closed {
		t.Fatal("docs/format/teacher.md shows no Python")
	}
	for _, m := range []Meta{meta(300), meta(1 << 17)} {
		path := filepath.Join(finished(t, m), Name)
		out, err := exec.Command(python, "-c", code, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		ids, logp := values(m)
		var want strings.Builder
		for i := range ids {
			end := " "
			if i%m.K == m.K-1 {
				end = "\n"
			}
			fmt.Fprintf(&want, "%d:%.4f%s", ids[i], logp[i], end)
		}
		if string(out) != want.String() {
			t.Errorf("vocabulary of %d:\n%s\nwant\n%s", m.Vocab, out, want.String())
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw[:len(raw)-1], 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(python, "-c", code, path).CombinedOutput(); err == nil {
			t.Errorf("a file cut short is read: %s", out)
		}
	}
}
