//go:build unix

package reliability

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mobilellm/internal/reliability/killed"
	"mobilellm/internal/testlong"
)

// Runs that are killed at random moments and resumed, also while a checkpoint is written
// to a slow disk, end with the weights, the optimizer's state and the losses of the
// unbroken one, to the bit.
func TestKills(t *testing.T) {
	testlong.Only(t)
	const runs, each = 10, 3 // of each kind, and kills of a run
	dir, r := folder(t), source(1)
	args := func(set ...string) []string {
		list := []string{"--config", "tiny.yaml", "--steps", "600", "--set", "checkpoint.every=20", "--set", "eval.every=150"}
		for _, s := range set {
			list = append(list, "--set", s)
		}
		return list
	}
	for i := range 40 {
		write(t, filepath.Join(dir, "documents", fmt.Sprintf("%02d.txt", i)), []byte(strings.Repeat(fmt.Sprintf("document %d and what it says. ", i), 1+i%7)))
	}
	var lines strings.Builder // no two alike: what is held out is taken from the rest
	for i := range 300 {
		fmt.Fprintf(&lines, "line %d of a text that a teacher reads\n", i)
	}
	write(t, filepath.Join(dir, "lines.txt"), []byte(lines.String()))
	must(t, dir, "mobilellm-train", "--config", "tiny.yaml", "--out", "teacher", "--steps", "20")
	must(t, dir, "mobilellm-data", "tokenize", "--tokenizer", "bytes", "--split", "line", "lines.txt", "--out", "shards")
	must(t, dir, "mobilellm-data", "teach", "--teacher", "teacher", "--shards", "shards", "--out", "taught", "--k", "8", "--seq", "32")
	good, kills, saves := 0, 0, 0
	for _, kind := range []struct {
		name string
		args []string
	}{
		{"packed", args("data.train=documents", "data.packing=documents", "data.document_mask=true")},
		{"mixture", args("data.train=[{path: text.txt, weight: 2}, {path: documents, weight: 1}]", "train.spike_guard.action=skip", "train.spike_guard.of=loss", "train.spike_guard.z_score=1.5", "train.spike_guard.window=20", "train.spike_guard.most=1000")},
		{"distillation", args("distil.teacher=teacher")},
		{"shards", args("data.train=shards", "optim.moments=bf16")},
		{"taught", args("data.train=shards", "distil.shards=taught")},
	} {
		run := killed.Run{Program: filepath.Join(programs, "slow-train"), Dir: dir, Args: kind.args, Out: kind.name + "-whole"}
		if err := run.Whole(); err != nil {
			t.Fatal(err)
		}
		want := outcome(t, run)
		for n := range runs {
			run.Out = fmt.Sprintf("%s-%d", kind.name, n)
			k, s, err := run.Killed(r, each)
			kills, saves = kills+k, saves+s
			if err != nil {
				t.Errorf("%s, run %d: %v", kind.name, n, err)
			} else if outcome(t, run) == want {
				good++
			}
		}
	}
	figure(t, "killed runs equal to the unbroken one", good, 5*runs, fmt.Sprintf("(%d kills, %d of them in a save)", kills, saves))
}

// A rank that is killed ends the run of all, and what the launcher starts again ends with the
// weights, the moments and the losses of the unbroken run of as many ranks.
func TestRankKills(t *testing.T) {
	testlong.Only(t)
	const runs, each = 4, 3 // of each kind, and kills of a run
	dir, r := folder(t), source(2)
	good, all, kills, saves := 0, 0, 0, 0
	for _, launcher := range [][]string{
		{"mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", "2"},
		{"mpirun.mpich", "-n", "2"},
	} {
		if _, err := exec.LookPath(launcher[0]); err != nil {
			t.Logf("%s is not installed", launcher[0])
			continue
		}
		for _, shard := range []string{"false", "true"} {
			name := launcher[0] + "-" + shard
			run := killed.Run{
				Program: filepath.Join(programs, "slow-train"), Dir: dir, Out: name + "-whole", Launcher: launcher,
				Args: []string{"--config", "tiny.yaml", "--steps", "300", "--set", "checkpoint.every=20", "--set", "eval.every=100", "--set", "train.micro_batch=1", "--set", "optim.shard=" + shard, "--set", "collective.timeout=20s"},
			}
			if err := run.Whole(); err != nil {
				t.Fatal(err)
			}
			want := outcome(t, run)
			for n := range runs {
				run.Out = fmt.Sprintf("%s-%d", name, n)
				k, s, err := run.Killed(r, each)
				kills, saves, all = kills+k, saves+s, all+1
				if err != nil {
					t.Errorf("%s, run %d: %v", name, n, err)
				} else if outcome(t, run) == want {
					good++
				}
			}
		}
	}
	figure(t, "runs with killed ranks equal to the unbroken one", good, all, fmt.Sprintf("(%d kills, %d of them in a save)", kills, saves))
}

func outcome(t *testing.T, run killed.Run) string {
	t.Helper()
	got, err := run.Outcome()
	if err != nil {
		t.Fatal(err)
	}
	return got
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
