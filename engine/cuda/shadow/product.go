//go:build unix

package shadow

import (
	"fmt"

	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
)

// workspaceBytes is what every matmul claims and writes, as cublasLt's do.
const workspaceBytes = 1 << 10

type plan struct{ cuda.Product }

func (plan) Workspace() int64 { return workspaceBytes }

// Plan implements cuda.Driver.
func (d *Driver) Plan(p cuda.Product) (cuda.Plan, error) {
	rows, cols := p.K, p.M // of A as stored
	if !p.TransA {
		rows, cols = p.M, p.K
	}
	if p.LDA < cols || p.LDC < p.N || rows < 1 || cols < 1 || p.N < 1 {
		return nil, fmt.Errorf("shadow: product %+v", p)
	}
	return plan{p}, nil
}

// Multiply implements cuda.Driver.
func (d *Driver) Multiply(pl cuda.Plan, a, b, c, workspace kernels.Pointer, accumulate bool) error {
	p := pl.(plan).Product
	return d.do(func() error {
		w, err := d.bytes(workspace, workspaceBytes)
		if err != nil {
			return err
		}
		for i := range w {
			w[i] = 0xff
		}
		for _, x := range []kernels.Pointer{a, b, c} {
			if _, ok := d.find(x); !ok || uint64(x)%uint64(p.Align) != 0 {
				return fmt.Errorf("shadow: address %#x of a product is not held, or no multiple of %d", uint64(x), p.Align)
			}
		}
		multiply(p, d.array(a, p.AB), d.array(b, p.AB), d.array(c, p.C), accumulate)
		return nil
	})
}

func (d *Driver) array(p kernels.Pointer, t engine.DType) array {
	b, _ := d.find(p)
	return arrayOf(b, t)
}

func multiply(p cuda.Product, a, b, c array, accumulate bool) {
	// B by columns, so that both sides are read in order.
	cols := make([]float32, p.N*p.K)
	for k := range p.K {
		for n := range p.N {
			i := k*p.LDB + n
			if p.TransB {
				i = n*p.LDB + k
			}
			cols[n*p.K+k] = b.get(i)
		}
	}
	row := make([]float32, p.K)
	for m := range p.M {
		for k := range p.K {
			i := m*p.LDA + k
			if p.TransA {
				i = k*p.LDA + m
			}
			row[k] = a.get(i)
		}
		for n := range p.N {
			col := cols[n*p.K : (n+1)*p.K]
			var s float32
			for k, x := range row {
				s += x * col[k]
			}
			s *= p.Factor()
			if i := m*p.LDC + n; accumulate {
				c.set(i, c.get(i)+s)
			} else {
				c.set(i, s)
			}
		}
	}
}
