package topk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/internal/docpython"
)

// The reader that docs/format/teacher.md shows reads what this package writes.
func TestPythonReader(t *testing.T) {
	_, run := docpython.Load(t, "../../docs/format/teacher.md")
	for _, m := range []Meta{meta(300), meta(1 << 17)} {
		path := filepath.Join(finished(t, m), Name)
		out, err := run(path)
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
		if out != want.String() {
			t.Errorf("vocabulary of %d:\n%s\nwant\n%s", m.Vocab, out, want.String())
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw[:len(raw)-1], 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := run(path); err == nil {
			t.Errorf("a file cut short is read: %s", out)
		}
	}
}
