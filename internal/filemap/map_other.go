//go:build !unix

package filemap

import (
	"io"
	"os"
)

// mapFile reads the file where there is no mapping.
func mapFile(f *os.File, size int64) ([]byte, func() error, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, func() error { return nil }, err
}
