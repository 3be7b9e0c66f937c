package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/internal/cli/clitest"
	"mobilellm/internal/slowed"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mobilellm-train": main,
		"limited-train":   limited,
		"slow-train":      slow,
	})
}

// limited is mobilellm-train on a disk that seems full: no file may be larger than
// LARGEST_FILE bytes. The signal that comes with it would end the process.
func limited() {
	signal.Ignore(syscall.SIGXFSZ)
	n, err := strconv.ParseUint(os.Getenv("LARGEST_FILE"), 10, 64)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
	main()
}

// slow is mobilellm-train on a disk that takes SLOW_FILE for each file of a checkpoint.
func slow() {
	slowed.File = os.Getenv("SLOW_FILE")
	main()
}

func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains many tiny models")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// Real runs of a tiny model on text that stays the same.
			if err := os.WriteFile(filepath.Join(e.WorkDir, "tiny.yaml"), []byte(tinyConfig), 0o644); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "text.txt"), []byte(strings.Repeat("a deep and thin model reads this line\n", 300)), 0o644)
		},
		Cmds: clitest.Commands(map[string]clitest.Command{"under-tee": underTee, "steers": steers}),
	})
}

const tinyConfig = `model: {vocab_size: 257, layers: 2, dim: 32, heads: 4, kv_heads: 2, ffn_dim: 64, context: 32}
data: {train: text.txt, tokenizer: bytes, seq: 32}
optim: {lr: 3e-3, warmup_steps: 2}
train: {steps: 4, batch: 4, micro_batch: 2}
eval: {every: 2}
checkpoint: {every: 2}
`

// steers SIGNAL,SIGNAL… CODE COMMAND… sends the running command signals one after the
// other, the first once it tells of a step. It must end with that code within 15 seconds of
// the last; what it wrote to standard error becomes the file signalled.
func steers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: steers SIGNAL,SIGNAL… CODE COMMAND…")
	}
	known := map[string]syscall.Signal{"INT": syscall.SIGINT, "USR1": syscall.SIGUSR1}
	said, err := os.Create(ts.MkAbs("signalled"))
	ts.Check(err)
	defer said.Close()
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = ts.Getenv("WORK"), append(os.Environ(), "SLOW_FILE="+ts.Getenv("SLOW_FILE")), said
	ts.Check(cmd.Start())
	for range 6000 {
		text, err := os.ReadFile(said.Name())
		ts.Check(err)
		if strings.Contains(string(text), " tokens/s ") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var last time.Time
	for _, name := range strings.Split(args[0], ",") {
		ts.Check(cmd.Process.Signal(known[name]))
		last = time.Now()
		time.Sleep(500 * time.Millisecond)
	}
	_ = cmd.Wait() // the code says it
	if code := cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] || time.Since(last) > 15*time.Second {
		ts.Fatalf("exit code %d after %v, want %s", code, time.Since(last), args[1])
	}
}

// under-tee SIGNAL TIMES RUN COMMAND… runs a command so many times with 2>&1 | tee and
// sends both a signal, as Ctrl-C in a terminal does, once its run folder, RUN-1 and so on,
// has metrics of a step. Each run must have a checkpoint after.
func underTee(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: under-tee SIGNAL TIMES RUN COMMAND…")
	}
	name := map[string]syscall.Signal{"INT": syscall.SIGINT, "HUP": syscall.SIGHUP}[args[0]]
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	for n := range times {
		run := ts.MkAbs(fmt.Sprintf("%s-%d", args[2], n+1))
		cmd := exec.Command("sh", "-c", strings.Join(args[3:], " ")+" --out "+run+" 2>&1 | tee log")
		cmd.Dir = ts.Getenv("WORK")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		ts.Check(cmd.Start())
		for range 6000 {
			if info, err := os.Stat(filepath.Join(run, "metrics.jsonl")); err == nil && info.Size() > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		ts.Check(syscall.Kill(-cmd.Process.Pid, name))
		_ = cmd.Wait() // tee's end, before the program's
		saved := false
		for i := 0; i < 6000 && !saved; i++ {
			found, err := filepath.Glob(filepath.Join(run, "checkpoints", "step-*", "state.json"))
			ts.Check(err)
			saved = len(found) > 0
			time.Sleep(10 * time.Millisecond)
		}
		if !saved {
			ts.Fatalf("run %d of %d has no checkpoint after SIG%s", n+1, times, args[0])
		}
	}
}

// What documents show of the command, it takes.
func TestDocumented(t *testing.T) { clitest.Documented(t, newCommand) }

// Mistakes on the command line, and what is said of them.
func TestMistakes(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/mistakes", Cmds: clitest.Commands(nil)})
}
