//go:build unix

package reliability

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mobilellm/internal/testlong"
)

// Runs that are killed at random moments and resumed end with the weights, the
// optimizer's state and the losses of the unbroken one, to the bit.
func TestKills(t *testing.T) {
	testlong.Only(t)
	const runs, kills = 18, 8
	dir, r := folder(t), source(1)
	args := []string{"--config", "tiny.yaml", "--steps", "600", "--set", "checkpoint.every=20", "--set", "checkpoint.keep=0"}
	begun := time.Now()
	must(t, dir, "mobilellm-train", append(args, "--out", "whole")...)
	took := time.Since(begun)
	want, losses := final(t, filepath.Join(dir, "whole")), lossesOf(t, filepath.Join(dir, "whole"))
	good, killed := 0, 0
	for n := range runs {
		out := fmt.Sprintf("run-%d", n)
		for try := 0; ; try++ {
			now := append(args, "--out", out)
			if _, err := os.Stat(filepath.Join(dir, out, "run.yaml")); err == nil {
				now = []string{"--resume", "--out", out}
			}
			c := command(dir, "mobilellm-train", now...)
			var text strings.Builder
			c.Stdout, c.Stderr = &text, &text
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if try < kills {
				time.Sleep(time.Duration(r.Int64N(int64(took))))
				_ = c.Process.Kill() // of one that has ended is no kill
			}
			err := c.Wait()
			if err == nil {
				break
			}
			if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
				t.Fatalf("run %d, try %d: %v\n%s", n, try, err, text.String())
			}
			killed++
		}
		if maps.Equal(final(t, filepath.Join(dir, out)), want) && lossesOf(t, filepath.Join(dir, out)) == losses {
			good++
		}
	}
	figure(t, "killed runs equal to the unbroken one", good, runs, fmt.Sprintf("(%d kills)", killed))
}

// final are the checksums of the last checkpoint's tensors.
func final(t *testing.T, run string) map[string]string {
	sums := contents(t, filepath.Join(run, "checkpoints", "step-00000600"))
	maps.DeleteFunc(sums, func(name, _ string) bool { return !strings.HasSuffix(name, ".safetensors") })
	if len(sums) != 2 {
		t.Fatalf("%s: %v", run, sums)
	}
	return sums
}

// lossesOf are a run's steps and losses, without times.
func lossesOf(t *testing.T, run string) string {
	raw, err := os.ReadFile(filepath.Join(run, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(raw)) {
		line, _, _ = strings.Cut(line, `,"lr"`)
		out.WriteString(line + "\n")
	}
	return out.String()
}

// Ctrl-C under 2>&1 | tee log ends tee first; every run is saved.
func TestTee(t *testing.T) {
	testlong.Only(t)
	const runs = 20
	dir, good := folder(t), 0
	for n := range runs {
		run := filepath.Join(dir, fmt.Sprintf("run-%d", n))
		c := exec.Command("sh", "-c", fmt.Sprintf("%s/mobilellm-train --config tiny.yaml --steps 1000000 --set checkpoint.every=0 --out %s 2>&1 | tee log", programs, run))
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		within(time.Minute, func() bool {
			info, err := os.Stat(filepath.Join(run, "metrics.jsonl"))
			return err == nil && info.Size() > 0
		})
		if err := syscall.Kill(-c.Process.Pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // tee's end, before the program's
		if within(time.Minute, func() bool {
			found, err := filepath.Glob(filepath.Join(run, "checkpoints", "step-*", "state.json"))
			return err == nil && len(found) > 0
		}) {
			good++
		}
	}
	figure(t, "Ctrl-C under 2>&1 | tee log saves", good, runs, "")
}

// within waits until something is so.
func within(most time.Duration, so func() bool) bool {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}
