//go:build gpu

package cuda_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/engine/cuda/emulator"
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
