package onnx

import "mobilellm/internal/protowire"

// Field numbers of onnx.proto, by message.
const (
	modelIRVersion, modelProducer, modelGraph, modelOpset, modelProps = 1, 2, 7, 8, 14
	modelProducerVersion                                              = 3

	graphNode, graphName, graphInitializer, graphInput, graphOutput = 1, 2, 5, 11, 12

	nodeInput, nodeOutput, nodeName, nodeOp, nodeAttribute, nodeDomain = 1, 2, 3, 4, 5, 7

	attributeName, attributeFloat, attributeInt, attributeInts = 1, 2, 3, 8
	attributeType                                              = 20

	tensorDims, tensorType, tensorName, tensorRaw = 1, 2, 8, 9
	tensorExternal, tensorLocation                = 13, 14

	valueName, valueType            = 1, 2
	typeTensor                      = 1
	tensorTypeElem, tensorTypeShape = 1, 2
	shapeDim                        = 1
	dimValue, dimParam              = 1, 2
	opsetDomain, opsetVersion       = 1, 2
	entryKey, entryValue            = 1, 2
)

// dataType is the type of a tensor's elements, by ONNX's numbers.
type dataType int

const (
	float32Type  dataType = 1
	uint8Type    dataType = 2
	int64Type    dataType = 7
	boolType     dataType = 9
	float16Type  dataType = 10
	bfloat16Type dataType = 16
)

// The types of attributes.
const (
	attributeIsFloat = 1
	attributeIsInt   = 2
	attributeIsInts  = 7
)

const (
	irVersion = 8 // the one of opset 17
	opset     = 17
)

// microsoft is the domain of ONNX Runtime's own operators.
const microsoft = "com.microsoft"

// domains are the operators outside ONNX's own domain.
var domains = map[string]string{"MatMulNBits": microsoft}

// dim is a dimension of an input or output: a size, or the name of a free one.
type dim struct {
	size int
	name string
}

func fixed(n int) dim      { return dim{size: n} }
func free(name string) dim { return dim{name: name} }

// attribute is an argument of a node that is known beforehand.
type attribute struct {
	name  string
	value any // int64, []int64 or float32
}

func (a attribute) message() protowire.Message {
	var m protowire.Message
	m.String(attributeName, a.name)
	switch v := a.value.(type) {
	case int64:
		m.Int(attributeInt, v)
		m.Int(attributeType, attributeIsInt)
	case float32:
		m.Float(attributeFloat, v)
		m.Int(attributeType, attributeIsFloat)
	case []int64:
		for _, x := range v {
			m.Int(attributeInts, x)
		}
		m.Int(attributeType, attributeIsInts)
	default:
		panic("onnx: attribute " + a.name + " of an unknown type")
	}
	return m
}

// valueInfo describes an input or output of the graph.
func valueInfo(name string, t dataType, dims []dim) protowire.Message {
	var shape protowire.Message
	for _, d := range dims {
		var m protowire.Message
		if d.name != "" {
			m.String(dimParam, d.name)
		} else {
			m.Int(dimValue, int64(d.size))
		}
		shape.Bytes(shapeDim, m)
	}
	var tensor, typ, value protowire.Message
	tensor.Int(tensorTypeElem, int64(t))
	tensor.Bytes(tensorTypeShape, shape)
	typ.Bytes(typeTensor, tensor)
	value.String(valueName, name)
	value.Bytes(valueType, typ)
	return value
}
