//go:build !cgo || !linux

package collective

import "errors"

const withMPI = false

func openMPI(launch) (transport, int, error) {
	return nil, 0, errors.New("this program was built without cgo, by which it would load MPI's library\nhint: build with a C compiler on Linux, or start one rank")
}
