package optim

// Product is a matmul C[M,N] = A[M,K]·B[K,N] of float32 matrices, row-major and
// without gaps.
type Product struct {
	M, N, K        int
	TransA, TransB bool // A is stored [K,M], B [N,K]
	Accumulate     bool // C += A·B
}

// Multiplier is a worker pool that multiplies matrices faster than plain Go.
type Multiplier interface {
	Parallel
	// Multiply prepares a product. Its function computes it on the worker that
	// calls it; the result is the same on each.
	Multiply(p Product) (func(worker int, a, b, c []float32), error)
}

// multiply prepares a product on the pool's workers, in plain Go where the pool
// cannot do it.
func multiply(par Parallel, p Product) (func(worker int, a, b, c []float32), error) {
	if m, ok := par.(Multiplier); ok {
		return m.Multiply(p)
	}
	return func(_ int, a, b, c []float32) { p.plain(a, b, c) }, nil
}

// plain adds rows of B to rows of C.
func (p Product) plain(a, b, c []float32) {
	if !p.Accumulate {
		clear(c[:p.M*p.N])
	}
	for i := range p.M {
		row := c[i*p.N : (i+1)*p.N]
		for k := range p.K {
			x := a[i*p.K+k]
			if p.TransA {
				x = a[k*p.M+i]
			}
			for j := range row {
				if p.TransB {
					row[j] += float32(x * b[j*p.K+k])
				} else {
					row[j] += float32(x * b[k*p.N+j])
				}
			}
		}
	}
}
