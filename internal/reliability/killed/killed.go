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
	"strconv"
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
	// Launcher starts the program as the ranks of one run, such as mpirun -n 2: one of them is
	// killed.
	Launcher []string
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
	line := append(append(slices.Clone(r.Launcher), r.Program), append(slices.Clone(args), "--out", r.Out)...)
	c := exec.Command(line[0], line[1:]...)
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
			if len(r.Launcher) == 0 {
				_ = c.Process.Kill() // of one that has ended is no kill
			} else if ranks := r.ranks(c.Process.Pid); len(ranks) > 0 {
				_ = syscall.Kill(ranks[random.IntN(len(ranks))], syscall.SIGKILL)
			} else {
				_ = c.Process.Kill()
			}
		}
		err := c.Wait()
		if err == nil {
			return killed, saving, nil
		}
		if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() && (len(r.Launcher) == 0 || try >= kills) {
			return killed, saving, fmt.Errorf("try %d: %w\n%s", try, err, text.String())
		}
		killed++
		if half, err := filepath.Glob(filepath.Join(r.Dir, r.Out, "checkpoints", ".tmp-step-*")); err == nil && len(half) > 0 {
			saving++
		}
	}
}

// ranks are the processes of the program that the launcher started, itself or by others.
func (r *Run) ranks(launcher int) (pids []int) {
	parents := map[int]int{}
	var own []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		raw, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		var parent int
		var state string
		_, rest, _ := strings.Cut(string(raw), ") ")
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if _, bad := fmt.Sscan(rest, &state, &parent); err != nil || bad != nil {
			continue
		}
		parents[pid] = parent
		if exe, err := os.Readlink(filepath.Join(filepath.Dir(stat), "exe")); err == nil && exe == r.Program {
			own = append(own, pid)
		}
	}
	for _, pid := range own {
		for up := pid; up > 1; up = parents[up] {
			if up == launcher {
				pids = append(pids, pid)
			}
		}
	}
	return pids
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
