package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/data/topk"
	"mobilellm/internal/testlong"
	"mobilellm/train"
)

// makeTeacher trains a model for a step and returns its folder.
func makeTeacher(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("a deep and thin model reads this line\n", 300)), 0o644); err != nil {
		t.Fatal(err)
	}
	c := train.DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 3, Dim: 64, Heads: 4, KVHeads: 2, FFNDim: 128, Context: 64, NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.2,
	}
	c.Data.Train, c.Data.Tokenizer, c.Data.Seq = data.Sources{{Path: text, Weight: 1}}, data.TokenizerBytes, 32
	c.Train.Steps, c.Train.Batch, c.Train.MicroBatch = 1, 2, 2
	result, err := train.Run(context.Background(), c, train.Options{Out: filepath.Join(dir, "run"), PeakFLOPS: 1e11})
	if err != nil {
		t.Fatal(err)
	}
	return result.Checkpoint
}

// teach, killed at random moments and started again, ends with the bytes of an
// undisturbed run; a disk that is full costs nothing that is done.
func TestTeachKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: starts the program many times")
	}
	teacher, dir := makeTeacher(t), t.TempDir()
	program := filepath.Join(dir, "mobilellm-data")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("what a teacher thinks of this line is stored\n", 1500)), 0o644); err != nil {
		t.Fatal(err)
	}
	shards := filepath.Join(dir, "tokens")
	run := func(args ...string) (string, error) {
		out, err := exec.Command(program, args...).CombinedOutput()
		return string(out), err
	}
	if out, err := run("tokenize", "--tokenizer", "bytes", "--out", shards, text); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := func(out string) []string {
		return []string{"teach", "--teacher", teacher, "--shards", shards, "--k", "8", "--seq", "64", "--rows", "4", "--workers", "1", "--out", out}
	}
	whole, killed, full := filepath.Join(dir, "whole"), filepath.Join(dir, "killed"), filepath.Join(dir, "full")
	start := time.Now()
	out, err := run(command(whole)...)
	if err != nil || !strings.Contains(out, "stored     8 log-probabilities of each") || !strings.Contains(out, "--set distil.shards=") {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(start)

	r := rand.New(rand.NewPCG(1, 2))
	kills, tries := 0, 3
	if testlong.On() {
		tries = 10
	}
	for kills < tries {
		cmd := exec.Command(program, command(killed)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(r.Int64N(int64(took))), func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		kills++
	}
	if out, err := run(command(killed)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	limited := exec.Command("sh", append([]string{"-c", `trap '' XFSZ; ulimit -f 500; exec "$0" "$@"`, program}, command(full)...)...)
	text500, err := limited.CombinedOutput()
	if err == nil || !strings.Contains(string(text500), "what is written is kept") {
		t.Errorf("a full disk gave %v\n%s", err, text500)
	}
	if out, err := run(command(full)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := readFile(t, filepath.Join(whole, topk.Name))
	if !bytes.Equal(readFile(t, filepath.Join(killed, topk.Name)), want) {
		t.Errorf("after %d kills the file differs", kills)
	}
	if !bytes.Equal(readFile(t, filepath.Join(full, topk.Name)), want) {
		t.Error("after a full disk the file differs")
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
