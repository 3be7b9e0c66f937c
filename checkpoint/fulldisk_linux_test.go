package checkpoint

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mobilellm/checkpoint/safetensors"
)

// large makes contents whose weights take about 1 MB and moments 2.
func large(step int64) Contents {
	c := contents(step)
	c.Config.VocabSize = 32768
	c.Weights = weightsOf(c.Config, safetensors.F32)
	c.Optimizer = []safetensors.Tensor{{Name: "exp_avg", DType: safetensors.F32, Shape: []int{1 << 19}, Data: make([]float32, 1<<19)}}
	return c
}

// checkFailedSave saves what cannot fit and holds the folder against loss.
func checkFailedSave(t *testing.T, dir, file string, want error) {
	t.Helper()
	_, err := Save(dir, large(2))
	if !errors.Is(err, want) || !strings.Contains(errorText(err), filepath.Join(dir, ".tmp-step-00000002", file)) {
		t.Errorf("got %v, want %v for %s", err, want, file)
	}
	if full := errors.Is(err, unix.ENOSPC); full != strings.Contains(errorText(err), "\nhint: free some space") {
		t.Errorf("the hint of %v", err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"step-00000001"}) {
		t.Errorf("the folder holds %v", got)
	}
	opens(t, filepath.Join(dir, "step-00000001"))
}

// limitVariable marks the process that TestFileSizeLimit starts.
const limitVariable = "CHECKPOINT_TEST_FILE_SIZE_LIMIT"

// The largest file allowed stands in for the end of the disk where mounting one
// is not. The limit holds for a whole process and what the test tool writes in
// it, so the test runs itself in another.
func TestFileSizeLimit(t *testing.T) {
	if os.Getenv(limitVariable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFileSizeLimit$", "-test.v")
		cmd.Env = append(os.Environ(), limitVariable+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFileSizeLimit") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	save(t, dir, 1)
	signal.Ignore(unix.SIGXFSZ) // its default ends the process; the write fails too
	for _, tt := range []struct {
		bytes uint64
		file  string
	}{
		{3 << 19, OptimizerFile},
		{1 << 19, WeightsFile},
		{100, ConfigFile},
	} {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: tt.bytes, Max: 3 << 19}); err != nil {
			t.Fatal(err)
		}
		checkFailedSave(t, dir, tt.file, unix.EFBIG)
	}
}

func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	save(t, dir, 1)
	checkFailedSave(t, dir, OptimizerFile, unix.ENOSPC)
	save(t, dir, 3) // once there is room again, all is well
}

func BenchmarkSave(b *testing.B) {
	c := contents(1)
	c.Config.VocabSize = 4 << 20
	c.Weights = weightsOf(c.Config, safetensors.F32) // 128 MB
	c.Optimizer = nil
	dir := b.TempDir()
	b.SetBytes(4 * 8 * 4 << 20)
	for b.Loop() {
		if _, err := Save(dir, c); err != nil {
			b.Fatal(err)
		}
	}
}
