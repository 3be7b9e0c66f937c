//go:build !cgo || !linux

package collective

const withMPI = false

// packed rounds as a group of one does: nothing travels without MPI.
func packed(_ []byte, back, x []float32) {
	copy(back, x)
	round(back, BF16)
}

type group struct {
	Group
	rank, size, most int
}

const mostBytes = 0
