//go:build gpu

package cuda_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mobilellm/arch"
	"mobilellm/collective"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/emulator"
	"mobilellm/internal/atomicfile"
	"mobilellm/train"
)

// The tests on a GPU run on the emulator, with package driver and all: it opens a
// stand-in for libcuda and cublasLt. They run in a process of their own, as the loader
// looks for libraries where it was told to at its start.
func TestDriverOnEmulator(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: twenty steps on the emulator")
	}
	file, err := emulator.Library(headers(t))
	if errors.Is(err, emulator.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []string{
		"TestTrainingOnGPU/bf16,_micro-batches_of_4,_graphs_true", "TestProfileOnGPU", "TestKernelsOnGPU/small_chunks/.*/headloss_in_chunks",
	} {
		cmd := exec.Command(self, "-test.v", "-test.run", "^"+strings.ReplaceAll(test, "/", "$/^")+"$")
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Dir(file), "MOBILELLM_CUBLASLT="+file)
		out, err := cmd.CombinedOutput()
		text := string(out)
		name, _, _ := strings.Cut(test, "/")
		if err != nil || !strings.Contains(text, "--- PASS: "+name) || !strings.Contains(text, "emulated GPU") || strings.Contains(text, "no tests to run") {
			t.Errorf("%s: %v\n%s", test, err, text)
		}
	}
}

// rankVariable names the folder of a run that this process is a rank of.
const rankVariable = "MOBILELLM_TEST_RANK_OUT"

// Two ranks train on two emulated GPUs, by package driver, Open MPI, and a stand-in for NCCL:
// what scripts/test-nccl.sh does where there are GPUs.
func TestRanksOnEmulator(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: runs on the emulator")
	}
	for _, tool := range []string{"mpirun.openmpi", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	library, err := emulator.Library(headers(t))
	if errors.Is(err, emulator.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	nccl := filepath.Join(t.TempDir(), "libnccl.so.2")
	if out, err := exec.Command("gcc", "-O2", "-shared", "-fPIC", "-o", nccl, "../../collective/testdata/nccl.c", "-lrt", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var runs []*train.Metrics
	for _, n := range []int{1, 2, 2} {
		out := filepath.Join(t.TempDir(), "run")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", fmt.Sprint(n), os.Args[0], "-test.run", "^TestRank$", "-test.v")
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Dir(library), "MOBILELLM_CUBLASLT="+library, "MOBILELLM_NCCL="+nccl, rankVariable+"="+out)
		text, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(text), "emulated GPU") < n {
			t.Fatalf("%d ranks: %v\n%s", n, err, text)
		}
		m, err := train.ReadMetrics(out)
		if err != nil || len(m.Steps) != 3 {
			t.Fatalf("%d ranks: %d steps, %v\n%s", n, len(m.Steps), err, text)
		}
		runs = append(runs, m)
	}
	for i, s := range runs[0].Steps {
		two, again := runs[1].Steps[i], runs[2].Steps[i]
		if math.Abs(two.Loss-s.Loss) > 1e-5 || math.Abs(two.GradNorm-s.GradNorm) > 1e-4*s.GradNorm {
			t.Errorf("step %d: loss %v, norm %v of two ranks, %v, %v of one", s.Step, two.Loss, two.GradNorm, s.Loss, s.GradNorm)
		}
		if two.Loss != again.Loss || two.GradNorm != again.GradNorm {
			t.Errorf("step %d: loss %v, norm %v, the second time %v, %v", s.Step, two.Loss, two.GradNorm, again.Loss, again.GradNorm)
		}
	}
}

// TestRank is a rank of the run that TestRanksOnEmulator starts.
func TestRank(t *testing.T) {
	out := os.Getenv(rankVariable)
	if out == "" {
		t.Skip("a rank of TestRanksOnEmulator")
	}
	g, err := collective.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := small(sharedText(t, filepath.Dir(out)))
	c.Train.Steps, c.Train.MicroBatch, c.Eval.Every = 3, 1, 0
	c.Model.LayerSharing = arch.LayerSharing{}
	c.Data.HeldoutTokens = 64
	if _, err := train.Run(context.Background(), c, train.Options{Out: out, Device: openGPU(t, cuda.Options{}), Group: g, PeakFLOPS: 1e11}); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// sharedText is the text that all ranks train on, which is the same for each.
func sharedText(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(text(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "text.txt")
	if err := atomicfile.Write(path, raw); err != nil {
		t.Fatal(err)
	}
	return path
}

// headers is the folder of cublasLt.h among those that cgo looks at.
func headers(t *testing.T) string {
	t.Helper()
	for _, flag := range append(strings.Fields(os.Getenv("CGO_CFLAGS")), "-I/usr/local/cuda/include") {
		folder, is := strings.CutPrefix(flag, "-I")
		if _, err := os.Stat(filepath.Join(folder, "cublasLt.h")); is && err == nil {
			return folder
		}
	}
	t.Skip("no cublasLt.h in the folders of CGO_CFLAGS")
	return ""
}
