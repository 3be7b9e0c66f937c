package compat

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/configs"
	"mobilellm/data"
	"mobilellm/train"
)

// fixture is the folder of what one earlier version wrote.
const fixture = "testdata/f944537"

// The steps after which each of its runs was saved.
const (
	halfway = "step-00000004"
	ended   = "step-00000008"
)

// copied makes a copy of the fixture the working directory, as the paths in its
// runs are relative, and returns the names of the runs.
func copied(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	entries, err := os.ReadDir("runs")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) != 6 {
		t.Fatalf("the runs are %q", names)
	}
	return names
}

func runFolder(name string) string { return filepath.Join("runs", name) }

func saved(name, step string) string {
	return filepath.Join(runFolder(name), train.CheckpointsDir, step)
}

// configOf reads the configuration that a run left behind.
func configOf(t *testing.T, name string) train.RunConfig {
	t.Helper()
	c := train.DefaultRun()
	c.Data.DocumentStart = data.StartOld // there was no such key
	if _, err := configs.Load(&c, configs.Source{Name: filepath.Join(runFolder(name), train.RunFile)}); err != nil {
		t.Fatal(err)
	}
	return c
}

// stateOf opens a checkpoint, reads every file of it, and returns its state.
func stateOf(t *testing.T, path string) checkpoint.State {
	t.Helper()
	c, err := checkpoint.OpenCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.State
}

func file(t *testing.T, parts ...string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// record is a line of metrics.jsonl without what depends on the clock and the process, and
// without source_losses, which the versions that wrote the fixtures did not tell.
type record map[string]float64

func records(t *testing.T, lines []byte) (list []record) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		if bytes.Contains(line, []byte(`"resumed":`)) {
			continue
		}
		all := map[string]any{}
		if err := json.Unmarshal(line, &all); err != nil {
			t.Fatal(err)
		}
		delete(all, "source_losses")
		r := record{}
		for key, value := range all {
			r[key] = value.(float64)
		}
		for _, key := range []string{"tokens_per_second", "mfu", "data_wait", "memory_bytes"} {
			delete(r, key)
		}
		list = append(list, r)
	}
	return list
}

// tensorSum is the SHA-256 of a file's tensors, end to end as they lie in it.
func tensorSum(t *testing.T, path string) string {
	t.Helper()
	raw := file(t, path)
	sum := sha256.Sum256(raw[8+binary.LittleEndian.Uint64(raw):])
	return hex.EncodeToString(sum[:])
}

// tensor is a tensor's place and values.
type tensor struct {
	safetensors.Info
	values []float32
}

func tensors(t *testing.T, path string) (list []tensor) {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, info := range f.Tensors() {
		values := make([]float32, info.Elements())
		if err := f.ReadFloat32(info.Name, values); err != nil {
			t.Fatal(err)
		}
		list = append(list, tensor{info, values})
	}
	return list
}

// processor tells processors apart by what decides how oneDNN sums: name and
// features, as make.sh recorded them.
func processor() string {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	var name, flags string
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			if name == "" {
				name = strings.TrimSpace(value)
			}
		case "flags":
			if flags == "" {
				sum := sha256.Sum256([]byte(line))
				flags = hex.EncodeToString(sum[:])
			}
		}
	}
	return name + "\n" + flags + "\n"
}
