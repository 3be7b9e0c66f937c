//go:build !cgo || !linux

package collective

import "errors"

func openMPI(launch) (Group, error) {
	return nil, errors.New("this program was built without cgo, by which it would load MPI's library\nhint: build with a C compiler on Linux, or start one rank")
}
