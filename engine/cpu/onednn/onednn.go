//go:build cgo && linux

package onednn

/*
#cgo CFLAGS: -O2
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
#cgo noescape gemm_run
#cgo nocallback gemm_run
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

var opened struct {
	once sync.Once
	err  error
	mu   sync.Mutex
	made map[Desc]*Matmul
}

// Open opens the library once; later calls return the first's result.
func Open() error {
	opened.once.Do(func() { opened.err = open() })
	return opened.err
}

func open() error {
	names := []string{"libdnnl.so.3", "libdnnl.so.2"}
	if p := os.Getenv("MOBILELLM_ONEDNN"); p != "" {
		names = []string{p}
	}
	var errs []error
	for _, name := range names {
		c := C.CString(name)
		defer C.free(unsafe.Pointer(c))
		msg := (*C.char)(C.calloc(1, 512))
		defer C.free(unsafe.Pointer(msg))
		if C.onednn_open(c, msg, 512) != 0 {
			opened.made = map[Desc]*Matmul{}
			return nil
		}
		errs = append(errs, fmt.Errorf("onednn: %s: %s", name, C.GoString(msg)))
	}
	return errors.Join(errs...)
}

// Version is the opened library's version, such as 2.6.3.
func Version() string {
	var major, minor, patch C.int
	C.onednn_version(&major, &minor, &patch)
	return fmt.Sprintf("%d.%d.%d", major, minor, patch)
}

// SingleThread keeps the library's own threads away from the calling OS thread.
// Every thread that runs matmuls must call it once.
func SingleThread() { C.onednn_single_thread() }

// Matmul is a matmul ready to run. It lives as long as the process.
type Matmul struct {
	g    *C.gemm
	desc Desc
}

// New builds a matmul, or returns the one built before.
func New(d Desc) (*Matmul, error) {
	opened.mu.Lock()
	defer opened.mu.Unlock()
	if m := opened.made[d]; m != nil {
		return m, nil
	}
	c := C.gemm_desc{
		m: C.int(d.M), n: C.int(d.N), k: C.int(d.K),
		ta: flag(d.TransA), tb: flag(d.TransB), acc: flag(d.Accumulate),
		at: C.int(d.A), bt: C.int(d.B), ct: C.int(d.C),
		lda: C.int64_t(d.LDA), ldb: C.int64_t(d.LDB), ldc: C.int64_t(d.LDC),
	}
	var status C.int
	g := C.gemm_create(&c, &status)
	if g == nil {
		return nil, fmt.Errorf("onednn: product %+v: status %d", d, status)
	}
	m := &Matmul{g: g, desc: d}
	opened.made[d] = m
	return m, nil
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// Scratch is the number of bytes of scratch memory that a run needs.
func (m *Matmul) Scratch() int64 { return int64(C.gemm_scratch(m.g)) }

// Impl names the library's implementation.
func (m *Matmul) Impl() string { return C.GoString(C.gemm_impl(m.g)) }

// Run multiplies. No two runs at the same time may share a worker number.
func (m *Matmul) Run(worker int, a, b, c, scratch unsafe.Pointer) {
	if st := C.gemm_run(m.g, C.int(worker), a, b, c, scratch); st != 0 {
		panic(fmt.Sprintf("onednn: product %+v: status %d", m.desc, st))
	}
}
