//go:build unix

package regular_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mobilellm/checkpoint"
	"mobilellm/checkpoint/gguf"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/checkpoint/torchfile"
	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/data/topk"
	"mobilellm/export/convert"
	"mobilellm/export/llama2c"
	"mobilellm/export/onnx"
	"mobilellm/internal/regular"
	"mobilellm/tokenizer"
)

// TestPipe holds every reader of files to name a pipe that nobody writes to, where
// opening it would wait for ever.
func TestPipe(t *testing.T) {
	readers := map[string]func(path string) error{
		"any":         func(path string) error { _, err := regular.Open(path); return err },
		"any at once": func(path string) error { _, err := regular.ReadFile(path); return err },
		"text":        func(path string) error { _, err := ingest.Open(path, ingest.Options{}); return err },
		"data.train": func(path string) error {
			_, _, err := data.ReadSources(t.Context(), []data.Source{{Path: path}}, data.Reading{})
			return err
		},
		"shard.tok":           func(path string) error { _, err := shard.Open(path); return err },
		"header.tok":          func(path string) error { _, err := shard.Stat(path); return err },
		shard.ManifestName:    func(path string) error { return shard.ReadManifest(filepath.Dir(path), new(shard.Manifest)) },
		topk.Name:             func(path string) error { _, err := topk.Open(filepath.Dir(path)); return err },
		"tokenizer.model":     func(path string) error { _, err := tokenizer.Load(path); return err },
		"tokenizer.json":      func(path string) error { _, err := tokenizer.Load(filepath.Dir(path)); return err },
		"config.json":         func(path string) error { _, _, err := checkpoint.ReadConfig(path); return err },
		checkpoint.StateFile:  func(path string) error { _, err := checkpoint.ReadState(filepath.Dir(path)); return err },
		"model.safetensors":   func(path string) error { _, err := safetensors.Open(path); return err },
		"pytorch_model.bin":   func(path string) error { _, err := torchfile.Open(path); return err },
		"open.gguf":           func(path string) error { _, err := checkpoint.Open(path); return err },
		"model.gguf":          func(path string) error { _, err := gguf.Open(path); return err },
		"kind.gguf":           func(path string) error { _, err := convert.Detect(path); return err },
		"model.bin":           func(path string) error { _, err := llama2c.Read(path); return err },
		"model.tokenizer.bin": func(path string) error { _, err := llama2c.ReadTokenizer(path, 8); return err },
		"model.onnx":          func(path string) error { _, err := onnx.Open(path); return err },
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- read(path) }()
			select {
			case err := <-done:
				if !errors.Is(err, regular.ErrSpecial) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "a pipe") {
					t.Errorf("error %v, want one that names the pipe", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("it waits for the pipe")
			}
		})
	}
}

func TestNoPipe(t *testing.T) {
	if shard.IsShard("/dev/zero") {
		t.Error("a device is taken for a shard")
	}
	if _, err := regular.ReadFile("/dev/zero"); !errors.Is(err, regular.ErrSpecial) || !strings.Contains(err.Error(), "a device") {
		t.Errorf("error %v, want one that names the device", err)
	}
	if _, err := regular.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that of a missing file", err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := regular.ReadFile(path); err != nil || string(text) != "text" {
		t.Errorf("read %q, %v", text, err)
	}
}
