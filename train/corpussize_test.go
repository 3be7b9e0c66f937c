package train

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"mobilellm/data"
)

// A run's checkpoints in the folder of its text do not count as text.
func TestTextSize(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a.txt": 100, "b.jsonl.gz": 10, "c.parquet": 20, ".hidden": 1000, "run/checkpoints/best/model.safetensors": 5000} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := data.Config{Train: data.Sources{{Path: dir}}, Heldout: data.Texts(filepath.Join(dir, "*.txt"), filepath.Join(dir, "none"))}
	if got, want := textSize(context.Background(), c, filepath.Join(dir, "run")), int64(100+unpacked*30+100); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if got := textSize(context.Background(), c); got != 5000+200+unpacked*30 {
		t.Errorf("%d bytes with the run's", got)
	}
}

func TestAddressSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "limits")
	for text, want := range map[string]int64{
		"Limit                     Soft Limit           Hard Limit           Units     \nMax address space         3072000000           unlimited            bytes     \nMax file locks            unlimited            unlimited            locks     \n": 3072000000,
		"Max address space         unlimited            unlimited            bytes     \n": 0,
		"Max cpu time              1            2            seconds   \n":                 0,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, ok := addressSpace(path); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	if _, ok := addressSpace(path + "x"); ok {
		t.Error("a limit from nowhere")
	}
}
