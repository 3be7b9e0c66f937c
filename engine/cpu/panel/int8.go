package panel

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// int8Panel is a panel of int8: values as fours of k, row, k of the four; then a scale for
// each row, and the sum of its values.
type int8Panel struct {
	values []int8
	scales []float32
	sums   []int32
}

func readInt8(panel unsafe.Pointer, k int) int8Panel {
	n := Cols * depth(k, engine.I8)
	return int8Panel{
		unsafe.Slice((*int8)(panel), n),
		unsafe.Slice((*float32)(unsafe.Add(panel, n)), Cols),
		unsafe.Slice((*int32)(unsafe.Add(panel, n+4*Cols)), Cols),
	}
}

// packInt8 is packPlain of int8.
func packInt8(dst unsafe.Pointer, w []float32, rows, k int) {
	q, scales := quant.Matrix(w[:rows*k], k, quant.Weights)
	PackInt8(dst, q, scales, k)
}

// PackInt8 writes rows of k integers, each with its scale, to dst, which has [Bytes].
func PackInt8(dst unsafe.Pointer, q []int8, scales []float32, k int) {
	for first := 0; first < len(scales); first += Cols {
		p := readInt8(dst, k)
		clear(p.values)
		clear(p.sums)
		clear(p.scales[copy(p.scales, scales[first:]):])
		for c := range min(Cols, len(scales)-first) {
			for j, v := range q[(first+c)*k:][:k] {
				p.values[j/4*4*Cols+4*c+j%4] = v
				p.sums[c] += int32(v)
			}
		}
		dst = unsafe.Add(dst, PanelBytes(k, engine.I8))
	}
}

// QuantizedStride is the bytes of a row of k quantised activations.
func QuantizedStride(k int) int { return depth(k, engine.I8) }

// Quantize writes rows of x[m,k], ldx elements apart, to q, [QuantizedStride] bytes apart.
func Quantize(q unsafe.Pointer, rows []quant.Row, x unsafe.Pointer, ldx, k int, s quant.Scheme) {
	quantize(q, rows, x, ldx, k, s)
}

func quantizePlain(q unsafe.Pointer, rows []quant.Row, x unsafe.Pointer, ldx, k int, s quant.Scheme) {
	stride := QuantizedStride(k)
	for m := range rows {
		to := unsafe.Slice((*uint8)(unsafe.Add(q, m*stride)), stride)
		rows[m] = s.Activations(to[:k], unsafe.Slice((*float32)(unsafe.Add(x, 4*m*ldx)), k))
		clear(to[k:])
	}
}

// Int8Product is y = x·wᵀ, or adds it to y, for quantised x[M,K] and n rows of w, which
// begins with a panel. y's rows are LDY elements apart. Sums of products are exact:
//
//	y[m,n] = w.scale[n]·(x.scale[m]·(Σ_k q[m,k]·w[n,k] − zero[m]·Σ_k w[n,k]) + offset[m]·Σ_k w[n,k])
type Int8Product struct {
	M, N, K, LDY int
	Add          bool
}

// Run computes the product.
func (p Int8Product) Run(q unsafe.Pointer, rows []quant.Row, w, y unsafe.Pointer) {
	p.run(q, rows, w, y)
}

func (p Int8Product) plain(q unsafe.Pointer, rows []quant.Row, w, y unsafe.Pointer) {
	stride := QuantizedStride(p.K)
	ys := unsafe.Slice((*float32)(y), (p.M-1)*p.LDY+p.N)
	for n := range p.N {
		panel := readInt8(unsafe.Add(w, int64(n/Cols)*PanelBytes(p.K, engine.I8)), p.K)
		c := n % Cols
		for m := range p.M {
			var sum int32
			for k, x := range unsafe.Slice((*uint8)(unsafe.Add(q, m*stride)), p.K) {
				sum += int32(x) * int32(panel.values[k/4*4*Cols+4*c+k%4])
			}
			r := rows[m]
			v := panel.scales[c] * (r.Scale*float32(sum-r.Zero*panel.sums[c]) + r.Offset*float32(panel.sums[c]))
			if p.Add {
				v += ys[m*p.LDY+n]
			}
			ys[m*p.LDY+n] = v
		}
	}
}
