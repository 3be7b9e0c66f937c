//go:build unix

package benchmark

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime is the time that the process has spent on processors.
func processTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
