package onnx

import (
	"mobilellm/arch"
	"mobilellm/internal/quant"
)

// Of 4 bits, so many elements of a row have one scale, and half stands for zero; of 8 bits
// zero does.
const (
	block = 32
	half  = 8
	zero  = 128
)

// scales is the name of a quantised weight's scales.
func scales(weight string) string { return weight + ".scale" }

// store adds a parameter's initializers.
func (d *decoder) store(p arch.Parameter) {
	t, x := d.typ.of(p), d.model.Weights[p.Name]
	d.stored[p.Name], d.shapes[p.Name] = t, p.Shape
	switch {
	case t != uint8Type:
		d.floats(p.Name, t, p.Shape, x)
	case d.typ == Int8:
		d.store8(p.Name, x, p.Shape[0], p.Shape[1])
	default:
		d.store4(p.Name, x, p.Shape[0], p.Shape[1])
	}
}

// store8 stores x [out,in] as q+128 [in,out], with a scale for each output.
func (d *decoder) store8(name string, x []float32, out, in int) {
	_, s := quant.Matrix(x, in, quant.Weights)
	d.floats(scales(name), float32Type, []int{out}, s)
	d.bytes(name, []int{in, out}, func() []byte {
		raw := make([]byte, in*out)
		q, _ := quant.Matrix(x, in, quant.Weights)
		for i, v := range q {
			raw[i%in*out+i/in] = byte(int(v) + zero)
		}
		return raw
	})
}

// store4 stores x [out,in] as MatMulNBits has it, [out,in/32,16]: two elements a byte, the
// first in its low half.
func (d *decoder) store4(name string, x []float32, out, in int) {
	var q [block]byte
	s := make([]float32, len(x)/block)
	for b := range s {
		s[b] = quant.Block(q[:], x[b*block:][:block], half)
	}
	d.floats(scales(name), float32Type, []int{len(s)}, s)
	d.bytes(name, []int{out, in / block, block / 2}, func() []byte {
		raw := make([]byte, 0, len(x)/2)
		for b := range s {
			quant.Block(q[:], x[b*block:][:block], half)
			for i := 0; i < block; i += 2 {
				raw = append(raw, q[i]|q[i+1]<<4)
			}
		}
		return raw
	})
}

// token quantises each row of x [N,in] by itself as [quant.Symmetric] does: q+128 in bytes
// and what a row's integers are multiplied by, [N,1]. What several weights are multiplied
// with is quantised once.
func (d *decoder) token(x string) (q, scale string) {
	if known, ok := d.tokens[x]; ok {
		return known[0], known[1]
	}
	size := d.op("ReduceMax", []string{d.op("Abs", []string{x})}, attribute{"axes", []int64{-1}}, attribute{"keepdims", int64(1)})
	factor := d.op("Div", []string{d.scalar(127), d.op("Add", []string{size, d.scalar(1e-6)})})
	scale = d.op("Div", []string{d.scalar(1), d.op("Add", []string{factor, d.scalar(1e-6)})})
	q = d.op("Round", []string{d.op("Mul", []string{x, factor})})
	q = d.op("Clip", []string{d.op("Add", []string{q, d.scalar(zero)}), d.scalar(0), d.scalar(255)})
	q = d.op("Cast", []string{q}, attribute{"to", int64(uint8Type)})
	d.tokens[x] = [2]string{q, scale}
	return q, scale
}

// linear8 is x·Wᵀ in integers. Both sides are unsigned: of a signed and an unsigned one,
// ONNX Runtime's sums overflow on processors without VNNI.
func (d *decoder) linear8(x, weight string) string {
	q, scale := d.token(x)
	sum := d.op("MatMulInteger", []string{q, weight, d.byte(zero), d.byte(zero)}) // [N,out] int32
	sum = d.op("Cast", []string{sum}, attribute{"to", int64(float32Type)})
	return d.op("Mul", []string{d.op("Mul", []string{sum, scale}), scales(weight)})
}

// linear4 is x·Wᵀ with x in float32.
func (d *decoder) linear4(x, weight string) string {
	shape := d.shapes[weight]
	return d.op("MatMulNBits", []string{x, weight, scales(weight)},
		attribute{"N", int64(shape[0])}, attribute{"K", int64(shape[1])}, attribute{"bits", int64(4)}, attribute{"block_size", int64(block)})
}
