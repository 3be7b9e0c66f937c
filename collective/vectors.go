package collective

import "mobilellm/internal/bfloat16"

// The plain versions of what vectors do in vectors_simd.go.

func addPlain(dst, x []float32) {
	for i, v := range x {
		dst[i] += v
	}
}

func roundPlain(dst []uint16, x []float32) {
	for i, v := range x {
		dst[i] = bfloat16.Round(v)
	}
}

func widenPlain(dst []float32, x []uint16) {
	for i, v := range x {
		dst[i] = bfloat16.Float32(v)
	}
}

// roundHere makes numbers what they are when they have travelled in bf16.
func roundHere(x []float32) {
	var half [1024]uint16
	for len(x) > 0 {
		n := min(len(x), len(half))
		roundTo(half[:n], x[:n])
		widenTo(x[:n], half[:n])
		x = x[n:]
	}
}
