package checkpoint

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// exchange swaps two folders' names in one operation. File systems that cannot
// do that get the portable way.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return exchangeInSteps(a, b)
	case err != nil:
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}
