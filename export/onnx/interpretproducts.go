package onnx

import (
	"fmt"
	"slices"
)

// matmulInteger is a [n,in] times b [in,out], each less its zero.
func matmulInteger(a, b tensor, za, zb int64) (tensor, error) {
	n, in, out := a.shape[0], a.shape[1], b.shape[1]
	if b.shape[0] != in || n*out > maxElements {
		return tensor{}, errShapes
	}
	y := tensor{shape: []int{n, out}, ints: make([]int64, n*out)}
	for r := range n {
		for i, v := range a.bytes[r*in : (r+1)*in] {
			for c, w := range b.bytes[i*out : (i+1)*out] {
				y.ints[r*out+c] += (int64(v) - za) * (int64(w) - zb)
			}
		}
	}
	return y, nil
}

// matmul4 is x [n,K] times a weight [N,K] in blocks of 4 bits, transposed.
func matmul4(n node, x, w, s tensor) (tensor, error) {
	for name, want := range map[string]int64{"bits": 4, "block_size": block} {
		if got := n.ints[name]; len(got) != 1 || got[0] != want {
			return tensor{}, fmt.Errorf("with %s %d is not supported", name, got)
		}
	}
	g := Graph{constants: map[string]tensor{"w": w, scales("w"): s}}
	weight, ok := g.Weight("w")
	if !ok {
		return tensor{}, errShapes
	}
	return gemm(x, tensor{shape: []int{w.shape[0], w.shape[1] * block}, floats: weight})
}

// matmul multiplies the last two dimensions and broadcasts the others.
func matmul(a, b tensor) (tensor, error) {
	ra, rb := len(a.shape), len(b.shape)
	m, k, n := a.shape[ra-2], a.shape[ra-1], b.shape[rb-1]
	if b.shape[rb-2] != k {
		return tensor{}, errShapes
	}
	batch, strides, err := broadcast(tensor{shape: a.shape[:ra-2]}, tensor{shape: b.shape[:rb-2]})
	if err != nil {
		return tensor{}, err
	}
	out := tensor{shape: append(slices.Clone(batch), m, n), floats: make([]float32, elements(batch)*m*n)}
	each(batch, strides, func(i int, at []int) {
		x, y, z := a.floats[at[0]*m*k:], b.floats[at[1]*k*n:], out.floats[i*m*n:]
		for r := range m {
			for c := range n {
				var sum float64
				for j := range k {
					sum += float64(x[r*k+j]) * float64(y[j*n+c])
				}
				z[r*n+c] = float32(sum)
			}
		}
	})
	return out, nil
}

// gemm is x·Wᵀ.
func gemm(x, w tensor) (tensor, error) {
	n, in, out := x.shape[0], x.shape[1], w.shape[0]
	if w.shape[1] != in {
		return tensor{}, errShapes
	}
	y := tensor{shape: []int{n, out}, floats: make([]float32, n*out)}
	for r := range n {
		for c := range out {
			var sum float64
			for j, v := range x.floats[r*in : (r+1)*in] {
				sum += float64(v) * float64(w.floats[c*in+j])
			}
			y.floats[r*out+c] = float32(sum)
		}
	}
	return y, nil
}
