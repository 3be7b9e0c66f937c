//go:build gpu

package driver

import (
	"errors"
	"strings"
	"testing"
)

// Without a driver or a device the error says which is missing, in the words that
// skipped tests show.
func TestOpenNamesWhatIsMissing(t *testing.T) {
	d, err := Open()
	if err == nil {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		t.Skip("there is a GPU: ", d.Name())
	}
	if !errors.Is(err, ErrNoDevice) {
		t.Fatal(err)
	}
	for _, part := range []string{"no CUDA device here: cuInit: ", "\nhint: "} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is\n%v\nwant %q in it", err, part)
		}
	}
}

// A cublasLt that is not there is named, with the variable that would name
// another.
func TestCublasLtIsNamed(t *testing.T) {
	t.Setenv("MOBILELLM_CUBLASLT", "/nowhere/libcublasLt.so")
	err := openCublasLt()
	if err == nil || !strings.Contains(err.Error(), "/nowhere/libcublasLt.so") || !strings.Contains(err.Error(), "MOBILELLM_CUBLASLT") {
		t.Errorf("the error is %v", err)
	}
}
