//go:build unix

package shard

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe is no shard and is not waited for.
func TestPipeIsNoShard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	for _, p := range []string{path, "/dev/zero"} {
		if IsShard(p) {
			t.Errorf("%s is a shard", p)
		}
	}
}
