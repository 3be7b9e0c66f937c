package kernels_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestManifest fails where the binaries were not made of these sources.
func TestManifest(t *testing.T) {
	f, err := os.Open("manifest.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		sum, name, ok := strings.Cut(s.Text(), "  ")
		if !ok {
			t.Fatalf("manifest.txt: %q is no sum and name", s.Text())
		}
		want[filepath.Clean(name)] = sum
	}
	names := []string{"../../../scripts/cuda-kernels.sh"}
	for _, pattern := range []string{"*.cu", "*.cuh", "binary/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		names = append(names, found...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != want[name] {
			t.Errorf("%s has changed since the kernels were compiled\nhint: make cuda-kernels", name)
		}
	}
	for name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("manifest.txt names %s, which is not here\nhint: make cuda-kernels", name)
		}
	}
}

// TestBinaries expects one for each source.
func TestBinaries(t *testing.T) {
	sources, err := filepath.Glob("*.cu")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if _, err := os.Stat("binary/" + strings.TrimSuffix(source, ".cu") + ".fatbin"); err != nil {
			t.Error(err)
		}
	}
}
