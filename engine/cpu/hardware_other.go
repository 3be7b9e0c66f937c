//go:build !amd64

package cpu

// features are what the processor has and the kernel lets programs use.
type features struct {
	amx bool
}

func hardware() features { return features{} }
