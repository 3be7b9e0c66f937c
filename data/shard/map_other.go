//go:build !unix

package shard

import "os"

// mapFile reads the file where there is no mapping.
func mapFile(path string) (file []byte, unmap func() error, err error) {
	file, err = os.ReadFile(path)
	return file, func() error { return nil }, err
}
