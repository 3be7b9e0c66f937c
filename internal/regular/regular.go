// Package regular opens files of bytes that lie there. A pipe, which may keep its reader
// waiting for ever, or a device, which may never end, is not opened.
package regular

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrSpecial marks what is no file of bytes that lie there.
var ErrSpecial = errors.New("is not read")

// Open is os.Open of a regular file; of anything else it is an ErrSpecial that names
// the path and what is there.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := Check(path, info.Mode()); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// ReadFile is os.ReadFile of a regular file.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := Check(path, info.Mode()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// Check gives the ErrSpecial of a mode that is not a regular file's; name stands for the
// file in it.
func Check(name string, mode fs.FileMode) error {
	if mode.IsRegular() {
		return nil
	}
	return fmt.Errorf("%s %w: it is %s", name, ErrSpecial, kind(mode))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}
