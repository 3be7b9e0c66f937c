package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// tensor is a value: row-major floats, integers, truth values or bytes.
type tensor struct {
	shape  []int
	floats []float32
	ints   []int64
	bools  []bool
	bytes  []byte
}

// maxElements bounds a value: graphs of other hands may ask for any size.
const maxElements = 1 << 28

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Run runs the graph on one sequence of token ids without a cache and returns the
// logits [T,V], as one call of ONNX Runtime would.
func (g *Graph) Run(ids []int32, kvHeads, headDim int) ([]float32, error) {
	n := len(ids)
	values := map[string]tensor{}
	for _, in := range g.Inputs {
		switch in {
		case "input_ids", "attention_mask", "position_ids":
			t := tensor{shape: []int{1, n}, ints: make([]int64, n)}
			for i := range t.ints {
				switch in {
				case "input_ids":
					t.ints[i] = int64(ids[i])
				case "attention_mask":
					t.ints[i] = 1
				default:
					t.ints[i] = int64(i)
				}
			}
			values[in] = t
		default:
			values[in] = tensor{shape: []int{1, kvHeads, 0, headDim}, floats: []float32{}}
		}
	}
	return g.run(values)
}

// run adds each node's result to the values and returns the logits.
func (g *Graph) run(values map[string]tensor) ([]float32, error) {
	for _, node := range g.nodes {
		in := make([]tensor, len(node.inputs))
		for i, name := range node.inputs {
			v, ok := values[name]
			if !ok {
				v, ok = g.constants[name]
			}
			if !ok {
				return nil, fmt.Errorf("operator %s: value %s is not there", node.op, name)
			}
			in[i] = v
		}
		out, err := evaluate(node, in)
		if err != nil {
			return nil, fmt.Errorf("operator %s for %s: %w", node.op, node.outputs[0], err)
		}
		values[node.outputs[0]] = out
	}
	logits, ok := values["logits"]
	if !ok {
		return nil, errors.New("the graph has no logits")
	}
	return logits.floats, nil
}

// arity is the number of inputs that each operator needs at least.
var arity = map[string]int{
	"Shape": 1, "Slice": 3, "Squeeze": 1, "Unsqueeze": 2, "Reshape": 2, "Transpose": 1, "Concat": 1, "Gather": 2,
	"Range": 3, "Cast": 1, "Where": 3, "Greater": 2, "Equal": 2, "Or": 2, "Add": 2, "Sub": 2, "Mul": 2, "Div": 2,
	"Sqrt": 1, "Sigmoid": 1, "Relu": 1, "ReduceMean": 1, "Softmax": 1, "MatMul": 2, "Gemm": 2,
	"Abs": 1, "Round": 1, "ReduceMax": 1, "Clip": 3, "MatMulInteger": 4, "MatMulNBits": 3,
}

var errShapes = errors.New("shapes do not fit")

func evaluate(n node, in []tensor) (out tensor, err error) {
	least, known := arity[n.op]
	if !known || len(in) < least {
		return out, fmt.Errorf("with %d inputs is not supported", len(in))
	}
	// Graphs of other hands may index past the end anywhere below.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errShapes, r)
		}
	}()
	switch n.op {
	case "Shape":
		out = tensor{shape: []int{len(in[0].shape)}}
		for _, d := range in[0].shape {
			out.ints = append(out.ints, int64(d))
		}
		return out, nil
	case "Slice":
		return slice(in)
	case "Squeeze", "Unsqueeze", "Reshape":
		return reshape(n.op, in)
	case "Transpose":
		return transpose(in[0], n.ints["perm"])
	case "Concat":
		return concat(in, int(n.ints["axis"][0]))
	case "Gather":
		return gather(in[0], in[1])
	case "Range":
		out = tensor{}
		if in[2].ints[0] != 1 || in[1].ints[0]-in[0].ints[0] > maxElements {
			return out, errShapes
		}
		for i := in[0].ints[0]; i < in[1].ints[0]; i++ {
			out.ints = append(out.ints, i)
		}
		out.shape = []int{len(out.ints)}
		return out, nil
	case "Cast":
		return cast(in[0], n.ints["to"])
	case "Where":
		return where(in)
	case "Greater", "Equal", "Or":
		return compare(n.op, in)
	case "Add", "Sub", "Mul", "Div":
		return arithmetic(n.op, in)
	case "Sqrt", "Sigmoid", "Relu", "Abs", "Round":
		return pointwise(n.op, in[0]), nil
	case "Clip":
		out = tensor{shape: in[0].shape, floats: slices.Clone(in[0].floats)}
		for i, v := range out.floats {
			out.floats[i] = max(in[1].floats[0], min(in[2].floats[0], v))
		}
		return out, nil
	case "MatMulInteger":
		return matmulInteger(in[0], in[1], int64(in[2].bytes[0]), int64(in[3].bytes[0]))
	case "MatMulNBits":
		return matmul4(n, in[0], in[1], in[2])
	case "ReduceMean", "ReduceMax", "Softmax":
		return rows(n.op, in[0]), nil
	case "MatMul":
		return matmul(in[0], in[1])
	}
	return gemm(in[0], in[1])
}

func slice(in []tensor) (tensor, error) {
	x, axis := in[0], 0
	if len(in) > 3 {
		axis = int(in[3].ints[0])
	}
	size := x.shape[axis]
	first, last := min(int(in[1].ints[0]), size), min(int(in[2].ints[0]), size)
	out := tensor{shape: slices.Clone(x.shape)}
	out.shape[axis] = last - first
	inner := elements(x.shape[axis+1:])
	for at := 0; at < elements(x.shape[:axis]); at++ {
		from, to := (at*size+first)*inner, (at*size+last)*inner
		out.take(x, from, to)
	}
	return out, nil
}

// take appends the elements of x in a range.
func (t *tensor) take(x tensor, from, to int) {
	switch {
	case x.floats != nil:
		t.floats = append(t.floats, x.floats[from:to]...)
	case x.ints != nil:
		t.ints = append(t.ints, x.ints[from:to]...)
	default:
		t.bools = append(t.bools, x.bools[from:to]...)
	}
}

func reshape(op string, in []tensor) (tensor, error) {
	out := in[0]
	switch op {
	case "Squeeze":
		out.shape = slices.DeleteFunc(slices.Clone(out.shape), func(d int) bool { return d == 1 })
	case "Unsqueeze":
		out.shape = slices.Clone(out.shape)
		for _, axis := range in[1].ints {
			out.shape = slices.Insert(out.shape, int(axis), 1)
		}
	default:
		out.shape = make([]int, len(in[1].ints))
		open, known := -1, 1
		for i, d := range in[1].ints {
			out.shape[i] = int(d)
			if d < 0 {
				open = i
			} else {
				known *= int(d)
			}
		}
		if open >= 0 {
			out.shape[open] = elements(in[0].shape) / known
		}
	}
	if elements(out.shape) != elements(in[0].shape) {
		return out, errShapes
	}
	return out, nil
}

func transpose(x tensor, perm []int64) (tensor, error) {
	out := tensor{shape: make([]int, len(perm)), floats: make([]float32, len(x.floats))}
	strides := make([]int, len(perm))
	for i, p := range perm {
		out.shape[i] = x.shape[p]
		strides[i] = elements(x.shape[p+1:])
	}
	each(out.shape, [][]int{strides}, func(i int, at []int) { out.floats[i] = x.floats[at[0]] })
	return out, nil
}

// each walks a shape row-major and calls f with the running index and the place
// in each operand by its strides.
func each(shape []int, strides [][]int, f func(i int, at []int)) {
	index, at := make([]int, len(shape)), make([]int, len(strides))
	for i := range elements(shape) {
		f(i, at)
		for d := len(shape) - 1; d >= 0; d-- {
			index[d]++
			for o := range at {
				at[o] += strides[o][d]
			}
			if index[d] < shape[d] {
				break
			}
			index[d] = 0
			for o := range at {
				at[o] -= strides[o][d] * shape[d]
			}
		}
	}
}

// broadcast is the common shape of operands and their strides in it.
func broadcast(in ...tensor) (shape []int, strides [][]int, err error) {
	rank := 0
	for _, t := range in {
		rank = max(rank, len(t.shape))
	}
	shape = slices.Repeat([]int{1}, rank)
	for _, t := range in {
		for i, d := range t.shape {
			at := rank - len(t.shape) + i
			if d != 1 && shape[at] != 1 && shape[at] != d {
				return nil, nil, fmt.Errorf("%w: %d", errShapes, t.shape)
			}
			if d != 1 {
				shape[at] = d
			}
		}
	}
	if total := 1.0; slices.ContainsFunc(shape, func(d int) bool { total *= float64(d); return total > maxElements }) {
		return nil, nil, fmt.Errorf("%w: %d", errShapes, shape)
	}
	for _, t := range in {
		s := make([]int, rank)
		for i, d := range t.shape {
			if d != 1 {
				s[rank-len(t.shape)+i] = elements(t.shape[i+1:])
			}
		}
		strides = append(strides, s)
	}
	return shape, strides, nil
}

func concat(in []tensor, axis int) (tensor, error) {
	out := tensor{shape: slices.Clone(in[0].shape)}
	out.shape[axis] = 0
	for _, t := range in {
		out.shape[axis] += t.shape[axis]
	}
	for at := range elements(out.shape[:axis]) {
		for _, t := range in {
			n := elements(t.shape[axis:])
			out.take(t, at*n, (at+1)*n)
		}
	}
	return out, nil
}

func gather(table, index tensor) (tensor, error) {
	width := elements(table.shape[1:])
	out := tensor{shape: slices.Concat(index.shape, table.shape[1:])}
	for _, i := range index.ints {
		out.take(table, int(i)*width, (int(i)+1)*width)
	}
	return out, nil
}

func where(in []tensor) (tensor, error) {
	shape, strides, err := broadcast(in...)
	if err != nil {
		return tensor{}, err
	}
	out := tensor{shape: shape, floats: make([]float32, elements(shape))}
	each(shape, strides, func(i int, at []int) {
		if in[0].bools[at[0]] {
			out.floats[i] = in[1].floats[at[1]]
		} else {
			out.floats[i] = in[2].floats[at[2]]
		}
	})
	return out, nil
}

func compare(op string, in []tensor) (tensor, error) {
	shape, strides, err := broadcast(in[:2]...)
	if err != nil {
		return tensor{}, err
	}
	out := tensor{shape: shape, bools: make([]bool, elements(shape))}
	each(shape, strides, func(i int, at []int) {
		switch op {
		case "Greater":
			out.bools[i] = in[0].ints[at[0]] > in[1].ints[at[1]]
		case "Equal":
			out.bools[i] = in[0].ints[at[0]] == in[1].ints[at[1]]
		default:
			out.bools[i] = in[0].bools[at[0]] || in[1].bools[at[1]]
		}
	})
	return out, nil
}

func arithmetic(op string, in []tensor) (tensor, error) {
	shape, strides, err := broadcast(in[:2]...)
	if err != nil {
		return tensor{}, err
	}
	out := tensor{shape: shape}
	if in[0].ints != nil {
		if op != "Sub" {
			return out, errors.New("of integers is not supported")
		}
		out.ints = make([]int64, elements(shape))
		each(shape, strides, func(i int, at []int) { out.ints[i] = in[0].ints[at[0]] - in[1].ints[at[1]] })
		return out, nil
	}
	out.floats = make([]float32, elements(shape))
	each(shape, strides, func(i int, at []int) {
		a, b := in[0].floats[at[0]], in[1].floats[at[1]]
		switch op {
		case "Add":
			out.floats[i] = a + b
		case "Sub":
			out.floats[i] = a - b
		case "Mul":
			out.floats[i] = a * b
		default:
			out.floats[i] = a / b
		}
	})
	return out, nil
}

func pointwise(op string, x tensor) tensor {
	out := tensor{shape: x.shape, floats: make([]float32, len(x.floats))}
	for i, v := range x.floats {
		switch op {
		case "Sqrt":
			out.floats[i] = float32(math.Sqrt(float64(v)))
		case "Sigmoid":
			out.floats[i] = float32(1 / (1 + math.Exp(-float64(v))))
		case "Abs":
			out.floats[i] = float32(math.Abs(float64(v)))
		case "Round": // halves to even
			out.floats[i] = float32(math.RoundToEven(float64(v)))
		default:
			out.floats[i] = max(v, 0)
		}
	}
	return out
}

// rows is a mean, a maximum or softmax over the last dimension.
func rows(op string, x tensor) tensor {
	width := x.shape[len(x.shape)-1]
	out := tensor{shape: slices.Clone(x.shape)}
	if op != "Softmax" {
		out.shape[len(out.shape)-1] = 1
	}
	for at := 0; at < len(x.floats); at += width {
		row := x.floats[at : at+width]
		var sum float64
		if op == "ReduceMean" {
			for _, v := range row {
				sum += float64(v)
			}
			out.floats = append(out.floats, float32(sum/float64(width)))
			continue
		}
		largest := float64(slices.Max(row))
		if op == "ReduceMax" {
			out.floats = append(out.floats, float32(largest))
			continue
		}
		for _, v := range row {
			sum += math.Exp(float64(v) - largest)
		}
		for _, v := range row {
			out.floats = append(out.floats, float32(math.Exp(float64(v)-largest)/sum))
		}
	}
	return out
}

// cast turns floats into bytes and integers into floats; weights are read as float32.
func cast(x tensor, to []int64) (tensor, error) {
	out := tensor{shape: x.shape}
	switch {
	case x.floats != nil && dataType(to[0]) == float32Type:
		return x, nil
	case x.floats != nil && dataType(to[0]) == uint8Type:
		for _, v := range x.floats {
			out.bytes = append(out.bytes, byte(v))
		}
	case x.ints != nil && dataType(to[0]) == float32Type:
		for _, v := range x.ints {
			out.floats = append(out.floats, float32(v))
		}
	default:
		return out, fmt.Errorf("to type %d is not supported", to)
	}
	return out, nil
}
