//go:build cgo && linux

package collective

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "mpi.h"
#cgo noescape mpi_done
#cgo nocallback mpi_done
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
	"unsafe"
)

const withMPI = true

// mpi carries messages by MPI. It is one: the library knows one world.
type mpi struct {
	pins  runtime.Pinner
	which []C.int
	peers []int // of the requests
	open  []bool
}

// openMPI loads the library and joins the ranks of the launcher.
func openMPI(l launch) (transport, int, error) {
	if name := os.Getenv("MOBILELLM_MPI"); name != "" {
		l.libraries = []string{name}
	}
	if err := load(l.libraries); err != nil {
		return nil, 0, err
	}
	var rank, size, threads C.int
	if err := failed("MPI_Init_thread", C.mpi_init(&rank, &size, &threads)); err != nil {
		return nil, 0, err
	}
	if int(size) != l.size {
		return nil, 0, fmt.Errorf("%s sees %d: it is not this launcher's library\nhint: MOBILELLM_MPI names another", C.GoString(C.mpi_version()), size)
	}
	if threads < C.int(2) {
		return nil, 0, fmt.Errorf("%s was built for one thread (level %d of 3), and Go's move", C.GoString(C.mpi_version()), threads)
	}
	return &mpi{}, int(rank), nil
}

// load opens the first library that is there.
func load(names []string) error {
	var errs []error
	for _, name := range names {
		path := C.CString(name)
		defer C.free(unsafe.Pointer(path))
		message := (*C.char)(C.calloc(1, 512))
		defer C.free(unsafe.Pointer(message))
		if C.mpi_open(path, message, 512) != 0 {
			return nil
		}
		errs = append(errs, errors.New(C.GoString(message)))
	}
	return fmt.Errorf("no MPI library: %w\nhint: apt-get install openmpi-bin or mpich; MOBILELLM_MPI names a file elsewhere", errors.Join(errs...))
}

// failed is the error of a code of MPI's.
func failed(call string, code C.int) error {
	if code == 0 {
		return nil
	}
	text := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(text))
	C.mpi_error(code, text, 512)
	return &TransportError{fmt.Errorf("%s: %s", call, C.GoString(text))}
}

func (p *mpi) close() error { return failed("MPI_Finalize", C.mpi_finalize()) }

func (p *mpi) exchange(send, receive []message, timeout time.Duration) error {
	n := len(send) + len(receive)
	if n == 0 {
		return nil
	}
	if C.mpi_room(C.int(n)) == 0 {
		return fmt.Errorf("no memory for %d messages", n)
	}
	defer p.pins.Unpin()
	p.peers, p.open = p.peers[:0], p.open[:0]
	for _, m := range receive {
		if err := failed("MPI_Irecv", C.mpi_receive(p.next(m), p.pinned(m.data), C.int(len(m.data)), C.int(m.peer))); err != nil {
			return err
		}
	}
	for _, m := range send {
		if err := failed("MPI_Isend", C.mpi_send(p.next(m), p.pinned(m.data), C.int(len(m.data)), C.int(m.peer))); err != nil {
			return err
		}
	}
	return p.wait(timeout)
}

// next is the number of a message's request.
func (p *mpi) next(m message) C.int {
	p.peers, p.open = append(p.peers, m.peer), append(p.open, true)
	return C.int(len(p.peers) - 1)
}

// pinned is where data lies, which stays there while MPI has its address.
func (p *mpi) pinned(data []byte) unsafe.Pointer {
	if len(data) == 0 {
		return nil
	}
	p.pins.Pin(unsafe.SliceData(data))
	return unsafe.Pointer(unsafe.SliceData(data))
}

// A rank that waits sleeps between two looks for messages: twice as long as before where
// none had come, half as long where some had.
const (
	shortestNap = 10 * time.Microsecond
	longestNap  = time.Millisecond
)

// wait looks for the messages until all are done.
func (p *mpi) wait(timeout time.Duration) error {
	n := len(p.peers)
	p.which = slices.Grow(p.which[:0], n)[:n]
	begun, nap := time.Now(), shortestNap
	for left := n; ; {
		var done C.int
		if err := failed("MPI_Testsome", C.mpi_done(C.int(n), &done, &p.which[0])); err != nil {
			return err
		}
		for _, i := range p.which[:max(0, done)] {
			p.open[i] = false
		}
		if left -= int(max(0, done)); left == 0 {
			return nil
		}
		if done > 0 {
			nap = max(shortestNap, nap/2)
		} else if timeout > 0 && time.Since(begun) > timeout {
			return p.late(timeout)
		} else {
			nap = min(2*nap, longestNap)
		}
		time.Sleep(nap)
	}
}

// late names the ranks whose messages are missing.
func (p *mpi) late(timeout time.Duration) error {
	e := &TimeoutError{After: timeout}
	for i, peer := range p.peers {
		if p.open[i] && !slices.Contains(e.Ranks, peer) {
			e.Ranks = append(e.Ranks, peer)
		}
	}
	slices.Sort(e.Ranks)
	return e
}
