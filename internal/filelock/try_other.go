//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package filelock

import (
	"errors"
	"os"
)

func tryLock(*os.File) error { return errors.ErrUnsupported }
