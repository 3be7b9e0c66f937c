//go:build unix

package experiments

import (
	"os"
	"syscall"
)

// apart starts a child in a process group of its own, which signals of the
// terminal do not reach.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// terminate asks a member's process to save and stop.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
