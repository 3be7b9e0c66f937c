// Package docpython runs the Python that a page of docs/ shows, for tests that
// hold it to what the project writes.
package docpython

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Load returns the first Python of a page, and what runs it on files and returns
// what it prints. It skips the test where there is no python3.
func Load(t *testing.T, page string) (code string, run func(paths ...string) (string, error)) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("needs python3: %v", err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(text), "```python\n")
	code, _, closed := strings.Cut(code, "```")
	if !ok || !closed {
		t.Fatalf("%s shows no Python", page)
	}
	return code, func(paths ...string) (string, error) {
		out, err := exec.Command(python, append([]string{"-c", code}, paths...)...).CombinedOutput()
		return string(out), err
	}
}
