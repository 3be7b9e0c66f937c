//go:build linux || darwin || freebsd || netbsd || openbsd

package filelock

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes a lock that is let go when the file is closed, at the latest with
// the process.
func tryLock(file *os.File) error {
	for {
		switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return errTaken
		case syscall.ENOLCK:
			return errors.ErrUnsupported
		default:
			return err // ENOSYS and ENOTSUP are ErrUnsupported by themselves
		}
	}
}
