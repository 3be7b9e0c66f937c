//go:build unix

package reliability

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mobilellm/internal/testlong"
)

var (
	programs string   // folder of the commands
	figures  []string // lines of the table
)

func TestMain(m *testing.M) {
	if !testlong.On() {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "mobilellm-long"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(programs)
		if out, err := exec.Command("go", "build", "-o", programs, "../../cmd/...").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		slow := exec.Command("go", "build", "-ldflags", "-X mobilellm/internal/slowed.File=20ms", "-o", filepath.Join(programs, "slow-train"), "../../cmd/mobilellm-train")
		if out, err := slow.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		code := m.Run()
		fmt.Printf("\n%s\n", strings.Join(figures, "\n"))
		return code
	}())
}

// figure adds a line to the table: how many of all went as they must.
func figure(t *testing.T, what string, good, of int, more string) {
	line := fmt.Sprintf("%-42s %4d of %-4d %s", what, good, of, more)
	figures = append(figures, line)
	if good != of {
		t.Error(line)
	}
}

// source makes every run's choices the same.
func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 15)) }

// command is a program in a folder, in a process group of its own.
func command(dir, name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(programs, name), args...)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

// must runs a program that has to succeed.
func must(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	if out, err := command(dir, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// limited runs a program for at most so long, and says what it printed, how it ended
// and its largest resident size in bytes.
func limited(most time.Duration, dir, name string, args ...string) (out string, code int, memory int64, err error) {
	ctx, stop := context.WithTimeout(context.Background(), most)
	defer stop()
	c := exec.CommandContext(ctx, filepath.Join(programs, name), args...)
	c.Dir = dir
	raw, err := c.CombinedOutput()
	if ctx.Err() != nil {
		return string(raw), -1, 0, ctx.Err()
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = nil
	}
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		memory = usage.Maxrss << 10
	}
	return string(raw), c.ProcessState.ExitCode(), memory, err
}

const tiny = `model: {vocab_size: 257, layers: 2, dim: 32, heads: 4, kv_heads: 2, ffn_dim: 64, context: 32}
data: {train: text.txt, tokenizer: bytes, seq: 32}
optim: {lr: 3e-3, warmup_steps: 2}
train: {steps: 4, batch: 4, micro_batch: 2}
eval: {every: 0}
checkpoint: {every: 2}
`

// folder has a tiny configuration and text.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tiny.yaml"), []byte(tiny))
	write(t, filepath.Join(dir, "text.txt"), []byte(strings.Repeat("a deep and thin model reads this line\n", 300)))
	return dir
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// contents are the checksums of the files in a folder, or of one file, by name.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(path, func(at string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(at)
		sum := sha256.Sum256(raw)
		sums[strings.TrimPrefix(at, path)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// leftovers are the names in a folder that begin with a dot.
func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// twice starts a program two times at once and returns how each ended.
func twice(t *testing.T, dir, name string, args ...string) (codes [2]int, outs [2]string) {
	t.Helper()
	var c [2]*exec.Cmd
	var out [2]bytes.Buffer
	for i := range c {
		c[i] = command(dir, name, args...)
		c[i].Stdout, c[i].Stderr = &out[i], &out[i]
		if err := c[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c {
		_ = c[i].Wait() // the code says it
		codes[i], outs[i] = c[i].ProcessState.ExitCode(), out[i].String()
	}
	return codes, outs
}

// oneDone says whether one of two processes succeeded, and the other did or said why not.
func oneDone(codes [2]int, outs [2]string, reasons ...string) bool {
	for i, code := range codes {
		if code != 0 && !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(outs[i], r) }) {
			return false
		}
	}
	return codes[0] == 0 || codes[1] == 0
}
