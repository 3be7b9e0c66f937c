//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package train

import (
	"errors"
	"os"
)

func tryLock(*os.File) error { return errors.ErrUnsupported }
