//go:build unix

package killed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Run is a run to be killed.
type Run struct {
	Program string        // path of mobilellm-train
	Dir     string        // folder that it runs in
	Env     []string      // beside this process's
	Args    []string      // of its beginning; --out is added
	Out     string        // the run's folder, within Dir
	Life    time.Duration // of the unbroken run
}

// Whole makes the unbroken run and measures its life.
func (r *Run) Whole() error {
	begun := time.Now()
	c := r.command(r.Args)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	r.Life = time.Since(begun)
	return nil
}

func (r *Run) command(args []string) *exec.Cmd {
	c := exec.Command(r.Program, append(slices.Clone(args), "--out", r.Out)...)
	c.Dir = r.Dir
	c.Env = append(os.Environ(), r.Env...)
	return c
}

// Killed kills the run so many times, each after a random part of its life, goes on with
// it, and lets it end. It returns how often it was still running when it was killed, and
// how often with a checkpoint half written.
func (r *Run) Killed(random *rand.Rand, kills int) (killed, saving int, err error) {
	for try := 0; ; try++ {
		args := r.Args
		if _, err := os.Stat(filepath.Join(r.Dir, r.Out, "run.yaml")); err == nil {
			args = []string{"--resume"}
		}
		c := r.command(args)
		var text strings.Builder
		c.Stdout, c.Stderr = &text, &text
		if err := c.Start(); err != nil {
			return killed, saving, err
		}
		if try < kills {
			time.Sleep(time.Duration(random.Int64N(int64(r.Life))))
			_ = c.Process.Kill() // of one that has ended is no kill
		}
		err := c.Wait()
		if err == nil {
			return killed, saving, nil
		}
		if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
			return killed, saving, fmt.Errorf("try %d: %w\n%s", try, err, text.String())
		}
		killed++
		if half, err := filepath.Glob(filepath.Join(r.Dir, r.Out, "checkpoints", ".tmp-step-*")); err == nil && len(half) > 0 {
			saving++
		}
	}
}

// Outcome is the checksum of the last checkpoint's weights and moments, and the losses of
// all steps, each once.
func (r *Run) Outcome() (string, error) {
	run := filepath.Join(r.Dir, r.Out)
	checkpoints, err := filepath.Glob(filepath.Join(run, "checkpoints", "step-*"))
	if err != nil || len(checkpoints) == 0 {
		return "", fmt.Errorf("%s has no checkpoint: %w", run, err)
	}
	sum := sha256.New()
	for _, name := range []string{"model.safetensors", "optimizer.safetensors"} {
		raw, err := os.ReadFile(filepath.Join(slices.Max(checkpoints), name))
		if err != nil {
			return "", err
		}
		sum.Write(raw)
	}
	raw, err := os.ReadFile(filepath.Join(run, "metrics.jsonl"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, `"resumed":`) {
			continue
		}
		line, _, _ = strings.Cut(line, `,"lr"`) // what follows depends on the clock
		sum.Write([]byte(line + "\n"))
	}
	return filepath.Base(slices.Max(checkpoints)) + " " + hex.EncodeToString(sum.Sum(nil)), nil
}
