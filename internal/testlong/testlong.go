// Package testlong says which tests, and which parts of them, make test-long alone runs:
// repeats for statistics, and shapes that test what a smaller one does, but for size.
package testlong

import (
	"os"
	"testing"
)

// On reports whether all of the tests are to run.
func On() bool { return os.Getenv("MOBILELLM_TEST_LONG") != "" }

// Only leaves a test out of go test.
func Only(t testing.TB) {
	t.Helper()
	if !On() {
		t.Skip("only by make test-long")
	}
}
