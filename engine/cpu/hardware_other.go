//go:build !amd64

package cpu

// hardwareBF16 is false where bf16 products were never measured.
func hardwareBF16() bool { return false }
