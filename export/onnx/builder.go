package onnx

import (
	"encoding/binary"
	"fmt"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/protowire"
)

// initializer is a constant of the graph: a weight or a small list.
type initializer struct {
	name  string
	typ   dataType
	dims  []int
	data  []float32     // of a weight, to be stored as typ
	ints  []int64       // of an int64 constant
	raw   func() []byte // of a quantised weight
	bytes int64
}

// storedAs is the type that floats are stored in.
var storedAs = map[dataType]safetensors.DType{
	float32Type: safetensors.F32, float16Type: safetensors.F16, bfloat16Type: safetensors.BF16,
}

// builder collects the nodes of a graph. Values are referred to by name.
type builder struct {
	nodes        protowire.Message // graphNode fields
	inputs       protowire.Message
	outputs      protowire.Message
	initializers []initializer
	constants    map[string]bool
	microsoft    bool // operators of that domain occur
	count        int
}

// op adds a node and returns the name of its result.
func (b *builder) op(op string, inputs []string, attributes ...attribute) string {
	name := fmt.Sprintf("v%d", b.count)
	b.opTo([]string{name}, op, inputs, attributes...)
	return name
}

// opTo adds a node with results of the given names.
func (b *builder) opTo(outputs []string, op string, inputs []string, attributes ...attribute) {
	var m protowire.Message
	for _, in := range inputs {
		m.String(nodeInput, in)
	}
	for _, out := range outputs {
		m.String(nodeOutput, out)
	}
	m.String(nodeName, fmt.Sprintf("%s_%d", op, b.count))
	m.String(nodeOp, op)
	for _, a := range attributes {
		m.Bytes(nodeAttribute, a.message())
	}
	if domain := domains[op]; domain != "" {
		m.String(nodeDomain, domain)
		b.microsoft = true
	}
	b.nodes.Bytes(graphNode, m)
	b.count++
}

func (b *builder) input(name string, t dataType, dims ...dim) {
	b.inputs.Bytes(graphInput, valueInfo(name, t, dims))
}

func (b *builder) output(name string, t dataType, dims ...dim) {
	b.outputs.Bytes(graphOutput, valueInfo(name, t, dims))
}

// ints is a constant list of int64.
func (b *builder) ints(values ...int64) string {
	name := fmt.Sprintf("ints%d", values)
	if !b.constants[name] {
		b.constants[name] = true
		b.initializers = append(b.initializers, initializer{
			name: name, typ: int64Type, dims: []int{len(values)}, ints: values, bytes: 8 * int64(len(values)),
		})
	}
	return name
}

// integer is a constant int64 without dimensions.
func (b *builder) integer(value int64) string {
	name := fmt.Sprintf("int%d", value)
	if !b.constants[name] {
		b.constants[name] = true
		b.initializers = append(b.initializers, initializer{name: name, typ: int64Type, ints: []int64{value}, bytes: 8})
	}
	return name
}

// scalar is a constant float32 without dimensions.
func (b *builder) scalar(value float32) string {
	name := fmt.Sprintf("float%g", value)
	if !b.constants[name] {
		b.constants[name] = true
		b.floats(name, float32Type, nil, []float32{value})
	}
	return name
}

// floats is a constant of floats.
func (b *builder) floats(name string, t dataType, dims []int, data []float32) {
	b.initializers = append(b.initializers, initializer{
		name: name, typ: t, dims: dims, data: data, bytes: int64(len(data)) * storedAs[t].Size(),
	})
}

// bytes is a constant of bytes, made when it is written.
func (b *builder) bytes(name string, dims []int, raw func() []byte) {
	b.initializers = append(b.initializers, initializer{name: name, typ: uint8Type, dims: dims, raw: raw, bytes: int64(elements(dims))})
}

// byte is a constant byte without dimensions.
func (b *builder) byte(value byte) string {
	name := fmt.Sprintf("byte%d", value)
	if !b.constants[name] {
		b.constants[name] = true
		b.bytes(name, nil, func() []byte { return []byte{value} })
	}
	return name
}

// head is the message of an initializer without its data.
func (i initializer) head() protowire.Message {
	var m protowire.Message
	for _, d := range i.dims {
		m.Int(tensorDims, int64(d))
	}
	m.Int(tensorType, int64(i.typ))
	m.String(tensorName, i.name)
	return m
}

// write hands out the data in pieces.
func (i initializer) write(to func([]byte) error) error {
	if i.raw != nil {
		return to(i.raw())
	}
	if i.data == nil {
		var raw []byte
		for _, v := range i.ints {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
		return to(raw)
	}
	const perWrite = 1 << 18
	d := storedAs[i.typ]
	buffer := make([]byte, int64(min(perWrite, len(i.data)))*d.Size())
	for x := i.data; len(x) > 0; {
		n := min(perWrite, len(x))
		part := buffer[:int64(n)*d.Size()]
		d.Encode(part, x[:n])
		if err := to(part); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}
