//go:build unix

package shard

import (
	"fmt"

	"golang.org/x/sys/unix"

	"mobilellm/internal/regular"
)

func mapFile(path string) (file []byte, unmap func() error, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() < headerSize {
		return nil, nil, fmt.Errorf("%s: %w: %d bytes, the header alone has %d", path, ErrFormat, info.Size(), headerSize)
	}
	file, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: mapping into memory: %w", path, err)
	}
	return file, func() error { return unix.Munmap(file) }, nil
}
