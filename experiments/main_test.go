package experiments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"mobilellm/train"
)

// Environment of the processes that tests start: the folder of a sweep to run, and
// the member of it to train.
const (
	sweepVariable  = "EXPERIMENTS_TEST_SWEEP"
	memberVariable = "EXPERIMENTS_TEST_MEMBER"
	overVariable   = "EXPERIMENTS_TEST_OVER"
)

func TestMain(m *testing.M) {
	dir, id := os.Getenv(sweepVariable), os.Getenv(memberVariable)
	switch {
	case id != "":
		os.Exit(memberProcess(dir, id))
	case dir != "":
		os.Exit(sweepProcess(dir))
	}
	goleak.VerifyTestMain(m)
}

// memberProcess is the member command as far as these tests need it.
func memberProcess(dir, id string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(1)
	}()
	over, err := strconv.Atoi(os.Getenv(overVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := Open(dir)
	if err == nil {
		err = s.Train(ctx, id, MemberOptions{Dir: dir, Over: over, Workers: 1, Peak: 1e11, Progress: train.NewProgress(os.Stderr, false)})
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrClaimed):
		return ExitClaimed
	case errors.Is(err, train.ErrInterrupted):
		return ExitSaved
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func sweepProcess(dir string) int {
	s, err := Open(dir)
	if err == nil {
		err = runHere(s, dir, 2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runHere runs a sweep in this process, its members in others.
func runHere(s *Sweep, dir string, jobs int) error {
	return Run(context.Background(), s, RunOptions{
		Dir: dir, Jobs: jobs, Progress: NewProgress(io.Discard, false),
		Command: func(id string, over int) *exec.Cmd {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), sweepVariable+"="+dir, memberVariable+"="+id, overVariable+"="+strconv.Itoa(over))
			return c
		},
	})
}

// tinyBase is a run that takes part of a second.
const tinyBase = `model: {vocab_size: 257, layers: 2, dim: 32, heads: 4, kv_heads: 2, ffn_dim: 64, context: 32}
data: {train: [text.txt], tokenizer: bytes, seq: 32}
optim: {lr: 3e-3, warmup_steps: 2}
train: {steps: 4, batch: 4, micro_batch: 4, precision: float32}
eval: {every: 0}
checkpoint: {every: 4, keep: 1}
`

// experiment writes an experiment's file beside tinyBase and its text, and reads it.
func experiment(t *testing.T, text string) (*File, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "text.txt")
	for name, content := range map[string]string{
		"tiny.yaml":  strings.Replace(tinyBase, "text.txt", path, 1),
		"sweep.yaml": text,
		"text.txt":   strings.Repeat("a deep and thin model reads this line\nand a wide one does too\n", 200),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "sweep.yaml"))
}

// sweep resolves an experiment and saves it in a folder of its own.
func sweep(t *testing.T, text string) (*Sweep, string) {
	t.Helper()
	f, err := experiment(t, text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Resolve("", Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "sweep")
	if err := s.Save(dir); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func checkError(t *testing.T, name string, err error, want ...string) {
	t.Helper()
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error is\n%v\nwant %q in it", name, err, part)
		}
	}
}
