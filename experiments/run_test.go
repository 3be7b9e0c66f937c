package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mobilellm/checkpoint"
	"mobilellm/internal/testlong"
	"mobilellm/train"
)

const fourMembers = "base: tiny.yaml\nseeds: [1, 2]\ngrid: {model.layers: [1, 2]}"

// results are the members' validation losses and the checksums of their weights.
func results(t *testing.T, s *Sweep, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, m := range s.Members {
		r, err := train.ReadSummary(filepath.Join(dir, m.ID))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, m.ID, filepath.FromSlash(r.Checkpoint), checkpoint.StateFile))
		if err != nil {
			t.Fatal(err)
		}
		var state checkpoint.State
		if err := json.Unmarshal(raw, &state); err != nil {
			t.Fatal(err)
		}
		list[m.ID] = fmt.Sprintf("%s: %v %s", m.Label(), r.Heldout.HeldoutLoss, state.Files["model.safetensors"].CRC32C)
	}
	return list
}

// starts counts how often each member's training began.
func starts(t *testing.T, s *Sweep, dir string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, m := range s.Members {
		raw, err := os.ReadFile(filepath.Join(dir, logsDir, m.ID+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		counts[m.ID] = strings.Count(string(raw), "in micro-batches of")
	}
	return counts
}

func TestRun(t *testing.T) {
	s, dir := sweep(t, fourMembers)
	if err := runHere(s, dir, 2); err != nil {
		t.Fatal(err)
	}
	before := results(t, s, dir)
	list, err := s.Status(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.State != Finished || m.Step != 4 || m.Result.Parameters != m.Parameters {
			t.Errorf("%s: %s after step %d", m.Label(), m.State, m.Step)
		}
	}
	if err := runHere(s, dir, 2); err != nil { // finds everything done
		t.Fatal(err)
	}
	if after := results(t, s, dir); !maps.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
	for id, n := range starts(t, s, dir) {
		if n != 1 {
			t.Errorf("%s began %d times", id, n)
		}
	}
	// The text was encoded once, and the runs say what they were trained on.
	made, err := filepath.Glob(filepath.Join(dir, corpusDir, "*", "train", "*.tok"))
	if err != nil || len(made) != 1 {
		t.Errorf("corpora %v, %v", made, err)
	}
}

// A sweep's members are ordinary runs: mobilellm-train on the text itself comes to
// the same weights.
func TestMembersAreRuns(t *testing.T) {
	s, dir := sweep(t, "base: tiny.yaml\nmembers: [{name: one}]")
	if err := runHere(s, dir, 1); err != nil {
		t.Fatal(err)
	}
	c, err := s.Members[0].run()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "run")
	result, err := train.Run(context.Background(), c, train.Options{Out: out, Workers: 1, PeakFLOPS: 1e11})
	if err != nil {
		t.Fatal(err)
	}
	r, err := train.ReadSummary(filepath.Join(dir, s.Members[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	if result.Loss != r.Loss || result.Heldout.HeldoutLoss != r.Heldout.HeldoutLoss {
		t.Errorf("losses %v and %v as a member, %v and %v alone", r.Loss, r.Heldout.HeldoutLoss, result.Loss, result.Heldout.HeldoutLoss)
	}
}

// A member that fails is reported, while the others go on; the next run tries it
// again.
func TestRunWithFailure(t *testing.T) {
	s, dir := sweep(t, "base: tiny.yaml\nmembers: [{name: good}, {name: bad, set: {optim: {lr: 1e30, clip: 0}}}, {name: also good, set: {model: {layers: 1}}}]")
	err := runHere(s, dir, 1)
	var failed *FailedError
	if !errors.As(err, &failed) || len(failed.Members) != 1 || failed.Members[0].Name != "bad" {
		t.Fatalf("error %v", err)
	}
	checkError(t, "report", err, "1 of 3 runs failed", "bad, seed 1: step 2: the gradient norm is NaN", "hint: ")
	list, err := s.Status(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []State{Finished, Failed, Finished} {
		if list[i].State != want {
			t.Errorf("%s is %s, want %s", list[i].Name, list[i].State, want)
		}
	}
	if err := runHere(s, dir, 1); !errors.As(err, &failed) {
		t.Errorf("again: %v", err)
	}
	if n := starts(t, s, dir)[s.Members[1].ID]; n != 2 {
		t.Errorf("the failed member began %d times", n)
	}
}

func TestTeacher(t *testing.T) {
	s, dir := sweep(t, "base: tiny.yaml\nseeds: [1, 2]\nmembers: [{name: student, teacher: big, set: {distil: {alpha: 0.5}}}, {name: big, seeds: [7], set: {model: {layers: 3}}}]")
	if _, err := s.Plan(context.Background(), 1); err != nil { // before the teacher is there
		t.Fatal(err)
	}
	if err := runHere(s, dir, 3); err != nil {
		t.Fatal(err)
	}
	results(t, s, dir)
	s.Members[1].Teacher = "nobody"
	err := s.Train(context.Background(), s.Members[1].ID, MemberOptions{Dir: t.TempDir()})
	if !errors.Is(err, ErrNotReady) {
		t.Errorf("without its teacher: %v", err)
	}
	other := t.TempDir()
	if err := recordFailure(other, "nobody", errors.New("no memory")); err != nil {
		t.Fatal(err)
	}
	err = s.Train(context.Background(), s.Members[1].ID, MemberOptions{Dir: other})
	checkError(t, "with a teacher that failed", err, "its teacher nobody failed: no memory")
}

// A member that starts from another's weights waits for them, and is another run than one
// that does not.
func TestInit(t *testing.T) {
	s, dir := sweep(t, "base: tiny.yaml\nmembers: [{name: few, init: whole, set: {model: {quantize: {weights: 2, method: seq}}}}, {name: whole}]")
	if s.Members[0].Name != "whole" || s.Members[1].Init != s.Members[0].ID {
		t.Fatalf("%+v", s.Members)
	}
	if _, err := s.Plan(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if err := runHere(s, dir, 2); err != nil {
		t.Fatal(err)
	}
	results(t, s, dir)
	summary, err := train.ReadSummary(filepath.Join(dir, s.Members[1].ID))
	if err != nil {
		t.Fatal(err)
	}
	if summary.Before == nil {
		t.Error("the run was not scored before its first step: it started from drawn weights")
	}
	plain, _ := sweep(t, "base: tiny.yaml\nmembers: [{name: few, set: {model: {quantize: {weights: 2, method: seq}}}}]")
	if plain.Members[0].ID == s.Members[1].ID {
		t.Error("the run has the id of one that starts from drawn weights")
	}
	err = s.Train(context.Background(), s.Members[1].ID, MemberOptions{Dir: t.TempDir()})
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "its initial model "+s.Members[0].ID+" is not trained") {
		t.Errorf("without its initial model: %v", err)
	}
}

// The sweep of few bits resolves: what is whole first, each other from it.
func TestQAT(t *testing.T) {
	f, err := Load("qat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Resolve("", Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Members {
		if whole := m.Name == "whole"; whole == (m.Init != "") {
			t.Errorf("%s starts from %q", m.Name, m.Init)
		}
	}
	if len(s.Members) != 27 {
		t.Errorf("%d members", len(s.Members))
	}
}

// Two workers on one sweep do each member once.
func TestTwoWorkers(t *testing.T) {
	s, dir := sweep(t, "base: tiny.yaml\nseeds: [1, 2, 3]\ngrid: {model.layers: [1, 2]}")
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			if err := runHere(s, dir, 2); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	results(t, s, dir)
	for id, n := range starts(t, s, dir) {
		if n != 1 {
			t.Errorf("%s began %d times", id, n)
		}
	}
}

// A sweep killed at random moments and started again ends with the same members
// and the same weights as an unbroken one.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: takes some seconds")
	}
	kills, tokens := 3, 8192 // 64 steps
	if testlong.On() {
		kills, tokens = 10, 20480
	}
	text := fmt.Sprintf("%s\ntokens: %d\nset: {checkpoint: {every: 10}}", fourMembers, tokens)
	whole, wholeDir := sweep(t, text)
	if err := runHere(whole, wholeDir, 2); err != nil {
		t.Fatal(err)
	}
	want := results(t, whole, wholeDir)

	dir := filepath.Join(t.TempDir(), "killed")
	if err := whole.Save(dir); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	interrupted := 0
	for range kills {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), sweepVariable+"="+dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(50+random.IntN(450)) * time.Millisecond)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if c.Wait() != nil {
			interrupted++
		}
	}
	if err := runHere(whole, dir, 2); err != nil {
		t.Fatal(err)
	}
	if got := results(t, whole, dir); !maps.Equal(got, want) {
		t.Errorf("after %d kills: %v\nunbroken: %v", interrupted, got, want)
	}
	t.Logf("%d of %d kills hit the sweep at work; members began %v times", interrupted, kills, starts(t, whole, dir))
}

// A sweep that is told to stop saves its members, which go on from there.
func TestInterrupt(t *testing.T) {
	s, dir := sweep(t, "base: tiny.yaml\ntokens: 256000\nmembers: [{name: one}]")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for range 200 {
			if step, _, err := lastStep(filepath.Join(dir, s.Members[0].ID, train.MetricsFile)); err == nil && step.Step > 5 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		cancel()
	}()
	err := Run(ctx, s, RunOptions{
		Dir: dir, Jobs: 1, Progress: NewProgress(io.Discard, false),
		Command: func(id string, over int) *exec.Cmd {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), sweepVariable+"="+dir, memberVariable+"="+id, fmt.Sprintf("%s=%d", overVariable, over))
			return c
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	list, err := s.Status(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m := list[0]; m.State != Interrupted || m.Step < 5 {
		t.Errorf("%s after step %d", m.State, m.Step)
	}
	if saved, err := checkpoint.Latest(filepath.Join(dir, s.Members[0].ID, train.CheckpointsDir)); err != nil || saved.Step != list[0].Step {
		t.Errorf("saved %v, %v, at step %d", saved, err, list[0].Step)
	}
}

// On a full disk, for which the largest file allowed stands in, members fail with
// what the system says, and nothing that was there is lost.
func TestFullDisk(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	s, dir := sweep(t, fourMembers+"\nset: {checkpoint: {retry_minutes: 0}}")
	first := *s
	first.Members = s.Members[:2]
	if err := runHere(&first, dir, 2); err != nil {
		t.Fatal(err)
	}
	before := results(t, &first, dir)
	err := Run(context.Background(), s, RunOptions{
		Dir: dir, Jobs: 1, Progress: NewProgress(io.Discard, false),
		Command: func(id string, over int) *exec.Cmd {
			c := exec.Command("sh", "-c", `trap "" XFSZ; ulimit -f 32; exec "$0"`, os.Args[0])
			c.Env = append(os.Environ(), sweepVariable+"="+dir, memberVariable+"="+id, fmt.Sprintf("%s=%d", overVariable, over))
			return c
		},
	})
	checkError(t, "full disk", err, "2 of 4 runs failed", "model.safetensors: file too large")
	if after := results(t, &first, dir); !maps.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
	if err := runHere(s, dir, 2); err != nil {
		t.Errorf("with space again: %v", err)
	}
	results(t, s, dir)
}
