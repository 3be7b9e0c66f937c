//go:build gpu

package driver

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "cublaslt.h"
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
)

// maxWorkspace is what an algorithm may ask for, in bytes: what NVIDIA advises
// for Hopper.
const maxWorkspace = 32 << 20

// openCublasLt opens the library that MOBILELLM_CUBLASLT names, or the newest of
// those that are known.
func openCublasLt() error {
	names := []string{"libcublasLt.so.13", "libcublasLt.so.12"}
	if name := os.Getenv("MOBILELLM_CUBLASLT"); name != "" {
		names = []string{name}
	}
	var first string
	for _, name := range names {
		path := C.CString(name)
		message := C.lt_open(path)
		C.free(unsafe.Pointer(path))
		if message == nil {
			return nil
		}
		if first == "" {
			first = C.GoString(message)
		}
	}
	return fmt.Errorf("no cublasLt: %s\nhint: install CUDA 13's or 12's cuBLAS, or name the file in MOBILELLM_CUBLASLT", first)
}

func cublasLtVersion() string {
	v := int(C.lt_version())
	return fmt.Sprintf("%d.%d", v/10000, v/100%100)
}

// plan is an algorithm for matmuls of one shape.
type plan struct {
	p         *C.lt_plan
	workspace int64
}

func (p *plan) Workspace() int64 { return p.workspace }

// Plan implements cuda.Driver. cublasLt's matrices are column-major: what is
// stored by rows is their transpose, so C = A·B is asked for as Cᵀ = Bᵀ·Aᵀ.
func (d *Driver) Plan(p cuda.Product) (cuda.Plan, error) {
	if made := d.plans[p]; made != nil {
		return made, nil
	}
	flag := func(b bool) C.int {
		if b {
			return 1
		}
		return 0
	}
	c := C.lt_product{
		bf16: flag(p.AB == engine.BF16), bf16_c: flag(p.C == engine.BF16), transa: flag(p.TransB), transb: flag(p.TransA),
		m: C.uint64_t(p.N), n: C.uint64_t(p.M), k: C.uint64_t(p.K),
		lda: C.int64_t(p.LDB), ldb: C.int64_t(p.LDA), ldc: C.int64_t(p.LDC),
		align: C.uint32_t(p.Align), workspace: maxWorkspace, tf32: flag(d.tf32), scale: C.float(p.Factor()),
	}
	made := &plan{}
	var workspace C.uint64_t
	if s := C.lt_plan_make(&c, &made.p, &workspace); s != 0 {
		return nil, fmt.Errorf("cublasLt: product %+v: %s", p, C.GoString(C.lt_error(s)))
	}
	made.workspace = int64(workspace)
	d.plans[p] = made
	return made, nil
}

// Multiply implements cuda.Driver.
func (d *Driver) Multiply(p cuda.Plan, a, b, c, workspace kernels.Pointer, accumulate bool) error {
	add := C.int(0)
	if accumulate {
		add = 1
	}
	s := C.lt_multiply(p.(*plan).p, C.uint64_t(b), C.uint64_t(a), C.uint64_t(c), C.uint64_t(workspace), add, d.compute())
	if s != 0 {
		return fmt.Errorf("cublasLt: %s", C.GoString(C.lt_error(s)))
	}
	return nil
}

func (d *Driver) freePlans() {
	for key, p := range d.plans {
		C.lt_plan_free(p.p)
		delete(d.plans, key)
	}
	C.lt_close()
}
