//go:build !(goexperiment.simd && amd64)

package filemap

// clearUpper does nothing where Go saves no vector registers.
func clearUpper() {}
