package cpu

import (
	"fmt"
	"unsafe"

	"mobilellm/engine/cpu/onednn"
	"mobilellm/optim"
)

// Multiply implements optim.Multiplier: the whole product on the worker that calls
// it, so that its result is the same for any number of them.
func (d *Device) Multiply(p optim.Product) (func(worker int, a, b, c []float32), error) {
	desc := onednn.Desc{
		M: p.M, N: p.N, K: p.K, A: onednn.F32, B: onednn.F32, C: onednn.F32,
		TransA: p.TransA, TransB: p.TransB, LDA: p.K, LDB: p.N, LDC: p.N, Accumulate: p.Accumulate,
	}
	if p.TransA {
		desc.LDA = p.M
	}
	if p.TransB {
		desc.LDB = p.K
	}
	product, err := d.product(desc)
	if err != nil {
		return nil, err
	}
	each := aligned(product.Scratch())
	scratch := make([]byte, each*int64(d.Workers())+63)
	first := unsafe.Add(start(scratch), -int(uintptr(start(scratch)))&63)
	return func(worker int, a, b, c []float32) {
		if len(a) < p.M*p.K || len(b) < p.K*p.N || len(c) < p.M*p.N {
			panic(fmt.Sprintf("cpu: product %+v of %d and %d values into %d", p, len(a), len(b), len(c)))
		}
		product.Run(worker, start(a), start(b), start(c), unsafe.Add(first, each*int64(worker)))
	}, nil
}

// start is where a slice's values lie.
func start[T any](x []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }
