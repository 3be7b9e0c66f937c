package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A run whose folder lies on a disk of 1 MB ends with the documented code, every checkpoint
// that it has is whole, and it goes on once there is room: a run of one rank and of two, of
// which the first writes.
func TestFullTmpfs(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains tiny models")
	}
	t.Run("one", func(t *testing.T) { fullTmpfs(t) })
	t.Run("ranks", func(t *testing.T) {
		if _, err := exec.LookPath("mpirun.openmpi"); err != nil {
			t.Skip("needs mpirun.openmpi")
		}
		fullTmpfs(t, "mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", "2")
	})
}

func fullTmpfs(t *testing.T, launcher ...string) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	}()
	for name, text := range map[string]string{"tiny.yaml": tinyConfig, "text.txt": strings.Repeat("a deep and thin model reads this line\n", 300)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, int) {
		line := append(append(slices.Clone(launcher), "mobilellm-train"), append(args, "--out", "disk/run")...)
		c := exec.Command(line[0], line[1:]...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		var failed *exec.ExitError
		if err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		return string(out), c.ProcessState.ExitCode()
	}
	checkpoints := func() []string {
		list, err := filepath.Glob(filepath.Join(disk, "run/checkpoints/*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	out, code := run("--config", "tiny.yaml", "--steps", "40", "--set", "checkpoint.keep=0", "--set", "checkpoint.retry_minutes=0.02", "--set", "train.micro_batch=1")
	last := checkpoints()[len(checkpoints())-1]
	for _, want := range []string{"no space left on device\n", "hint: free some space", "hint: it was tried ", " is whole: once there is room, go on from it with --resume"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != exitUnsaved || !strings.HasPrefix(filepath.Base(last), "step-") {
		t.Errorf("exit code %d, the last checkpoint is %s\n%s", code, last, out)
	}
	before := checkpoints()
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=20m"); err != nil {
		t.Fatal(err)
	}
	out, code = run("--resume")
	if code != 0 || !strings.Contains(out, "resuming disk/run/checkpoints/"+filepath.Base(last)+" after step ") || strings.Contains(out, "damaged") {
		t.Errorf("with room again: exit code %d\n%s", code, out)
	}
	if after := checkpoints(); len(after) != 21 || len(before) >= len(after) { // and best
		t.Errorf("checkpoints are %q, before %q", after, before)
	}
}
