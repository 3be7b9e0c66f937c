package shard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/internal/docpython"
)

// The reader that docs/format/tokens.md shows reads what this package writes.
func TestPythonReader(t *testing.T) {
	code, run := docpython.Load(t, "../../docs/format/tokens.md")
	if n := strings.Count(code, "\n"); n > 22 {
		t.Errorf("the reader has %d lines", n)
	}
	dir := t.TempDir()
	for name, meta := range map[string]Meta{
		"short.tok": {Width: 2, Vocab: 1 << 16, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"},
		"long.tok":  {Width: 4, Vocab: 1 << 20, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"},
	} {
		path := filepath.Join(dir, name)
		top := int32(meta.Vocab - 1)
		write(t, path, meta, []int32{1, top, 2}, []int32{}, []int32{7, 2})
		out, err := run(path)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		want := map[string]string{"short.tok": "1 65535 2\n\n7 2\n", "long.tok": "1 1048575 2\n\n7 2\n"}[name]
		if out != want {
			t.Errorf("%s: %q, want %q", name, out, want)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file[130] ^= 1
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := run(path); err == nil || !strings.Contains(out, "checksum") {
			t.Errorf("%s: a changed token is read: %s", name, out)
		}
	}
}
