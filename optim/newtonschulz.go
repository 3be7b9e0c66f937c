package optim

import "math"

// The quintic of Newton-Schulz whose slope at 0 is steep (Jordan et al., 2024): after
// five iterations singular values that began at 0.01 to 1 lie at about 0.7 to 1.2.
const (
	schulzA, schulzB, schulzC = 3.4445, -4.7750, 2.0315
	schulzIterations          = 5
	schulzEps                 = 1e-7 // least norm that a matrix is divided by
)

// newtonSchulz brings the singular values of matrices of one shape [rows,cols] near 1
// and leaves their singular vectors. With x divided by its Frobenius norm, and G = x·xᵀ
// where x is wide or xᵀ·x where it is tall:
//
//	x ← a·x + (b·G + c·G²)·x, or with the factors the other way round
type newtonSchulz struct {
	side, length int // the shorter side and the longer
	// gram makes G, square adds G² and apply adds the polynomial times x.
	gram, square, apply func(worker int, a, b, c []float32)
	tall                bool
}

// newtonSchulzFloats is the number of values that a worker needs beside the matrix.
func newtonSchulzFloats(rows, cols int) int64 {
	side := int64(min(rows, cols))
	return 2*int64(rows)*int64(cols) + 2*side*side
}

func newNewtonSchulz(par Parallel, rows, cols int) (*newtonSchulz, error) {
	n := &newtonSchulz{side: min(rows, cols), length: max(rows, cols), tall: rows > cols}
	for _, p := range []struct {
		to   *func(worker int, a, b, c []float32)
		what Product
	}{
		{&n.gram, Product{M: n.side, N: n.side, K: n.length, TransA: n.tall, TransB: !n.tall}},
		{&n.square, Product{M: n.side, N: n.side, K: n.side, Accumulate: true}},
		{&n.apply, Product{M: rows, N: cols, K: n.side, Accumulate: true}},
	} {
		var err error
		if *p.to, err = multiply(par, p.what); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// orthogonalise works on x, which is space's, and returns the result, in space too.
func (n *newtonSchulz) orthogonalise(worker int, x []float32, space *muonSpace) []float32 {
	next, gram, poly := space.next[:len(x)], space.gram[:n.side*n.side], space.poly[:n.side*n.side]
	scale(x, x, float32(1/max(math.Sqrt(sumSquares(x)), schulzEps)))
	for range schulzIterations {
		n.gram(worker, x, x, gram)
		scale(poly, gram, schulzB/schulzC)
		n.square(worker, gram, gram, poly)
		scale(poly, poly, schulzC)
		scale(next, x, schulzA)
		if n.tall {
			n.apply(worker, x, poly, next)
		} else {
			n.apply(worker, poly, x, next)
		}
		x, next = next, x
	}
	return x
}

// scale is y = a·x, where y may be x.
func scale(y, x []float32, a float32) {
	for i, v := range x[:len(y)] {
		y[i] = a * v
	}
}
