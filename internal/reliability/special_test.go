//go:build unix

package reliability

import (
	"path/filepath"
	"syscall"
	"testing"
)

// special is a device, or a pipe that it makes in a folder.
func special(t *testing.T, dir, name string) string {
	t.Helper()
	if filepath.IsAbs(name) {
		return name
	}
	path := filepath.Join(dir, name)
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
