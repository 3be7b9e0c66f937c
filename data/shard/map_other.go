//go:build !unix

package shard

import "mobilellm/internal/regular"

// mapFile reads the file where there is no mapping.
func mapFile(path string) (file []byte, unmap func() error, err error) {
	file, err = regular.ReadFile(path)
	return file, func() error { return nil }, err
}
