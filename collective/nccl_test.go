//go:build cgo && linux

package collective

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func init() { ranks["nccl"], ranks["no nccl"] = allByNCCL, noNCCL }

// allByNCCL sums as ranks on GPUs do, which the library stands in for.
func allByNCCL() error {
	g, err := Open()
	if err != nil {
		return err
	}
	n, err := OpenNCCL(g)
	if err != nil {
		return err
	}
	const most = 200_000
	memory := make([]float32, most)
	for _, elements := range []int{1, 1000, most} {
		copy(memory, given(g.Rank(), elements))
		if err := n.AllReduce(uintptr(unsafe.Pointer(&memory[0])), elements, nil); err != nil {
			return err
		}
		if err := n.Err(); err != nil {
			return err
		}
		if !slices.Equal(memory[:elements], expected(g.Size(), elements, Float32)) {
			return fmt.Errorf("rank %d: sum of %d", g.Rank(), elements)
		}
	}
	if err := g.Barrier(); err != nil {
		return err
	}
	// One does not come: the others give up.
	if g.Rank() > 0 {
		time.AfterFunc(200*time.Millisecond, func() { _ = n.Abort() })
		var gone *TransportError
		if err := errors.Join(n.AllReduce(uintptr(unsafe.Pointer(&memory[0])), most, nil), n.Err()); !errors.As(err, &gone) {
			return fmt.Errorf("rank %d, given up: %v", g.Rank(), err)
		}
	}
	fmt.Printf("rank %d has NCCL %s\n", g.Rank(), n.Version())
	return errors.Join(n.Close(), g.Close())
}

func noNCCL() error {
	g, err := Open()
	if err != nil {
		return err
	}
	_, err = OpenNCCL(g)
	fmt.Printf("rank %d: %v\n", g.Rank(), err)
	return g.Close()
}

func TestNCCL(t *testing.T) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc to compile the stand-in for NCCL with")
	}
	library := filepath.Join(t.TempDir(), "libnccl.so.2")
	if out, err := exec.Command(compiler, "-O2", "-shared", "-fPIC", "-o", library, "testdata/nccl.c", "-lrt", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, mpirun := range launchers(t) {
		text, err := start(t, mpirun(3, os.Args[0]), "nccl", "MOBILELLM_NCCL="+library)
		for rank := range 3 {
			if want := fmt.Sprintf("rank %d has NCCL 2.28.3", rank); err != nil || !strings.Contains(text, want) {
				t.Errorf("%s: %v: %q is not in\n%s", name, err, want, text)
			}
		}
		text, _ = start(t, mpirun(2, os.Args[0]), "no nccl", "MOBILELLM_NCCL=/nowhere/libnccl.so")
		if !strings.Contains(text, "rank 0: ranks on GPUs need NCCL: /nowhere/libnccl.so") || !strings.Contains(text, "name the file in MOBILELLM_NCCL") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}
