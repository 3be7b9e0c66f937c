package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"mobilellm/internal/protowire"
	"mobilellm/internal/regular"
)

// Graph is a graph that was read.
type Graph struct {
	Inputs, Outputs []string

	nodes     []node
	constants map[string]tensor
}

type node struct {
	op              string
	inputs, outputs []string
	ints            map[string][]int64
}

// Open reads a graph that [Write] wrote, with its external data. Only float and
// int64 tensors and the operators of this package are known; others are an error.
func Open(path string) (*Graph, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > math.MaxInt32 {
		return nil, fmt.Errorf("%s: %d bytes are more than an ONNX file of 2 GB", path, info.Size())
	}
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g, err := parse(raw, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// parse reads a model's message; external data lies in dir.
func parse(raw []byte, dir string) (*Graph, error) {
	g := &Graph{constants: map[string]tensor{}}
	found := false
	err := protowire.Each(raw, func(f protowire.Field) error {
		if f.Number != modelGraph {
			return nil
		}
		found = true
		return g.parse(f.Bytes, dir)
	})
	if err == nil && !found {
		err = errors.New("it holds no graph; is it an ONNX file?")
	}
	return g, err
}

func (g *Graph) parse(raw []byte, dir string) error {
	return protowire.Each(raw, func(f protowire.Field) error {
		switch f.Number {
		case graphNode:
			n, err := parseNode(f.Bytes)
			g.nodes = append(g.nodes, n)
			return err
		case graphInitializer:
			name, t, err := parseTensor(f.Bytes, dir)
			if err != nil {
				return fmt.Errorf("tensor %s: %w", name, err)
			}
			g.constants[name] = t
		case graphInput, graphOutput:
			list := &g.Inputs
			if f.Number == graphOutput {
				list = &g.Outputs
			}
			return protowire.Each(f.Bytes, func(v protowire.Field) error {
				if v.Number == valueName {
					*list = append(*list, string(v.Bytes))
				}
				return nil
			})
		}
		return nil
	})
}

func parseNode(raw []byte) (node, error) {
	n := node{ints: map[string][]int64{}}
	err := protowire.Each(raw, func(f protowire.Field) error {
		switch f.Number {
		case nodeInput:
			n.inputs = append(n.inputs, string(f.Bytes))
		case nodeOutput:
			n.outputs = append(n.outputs, string(f.Bytes))
		case nodeOp:
			n.op = string(f.Bytes)
		case nodeAttribute:
			var name string
			var values []int64
			err := protowire.Each(f.Bytes, func(a protowire.Field) (err error) {
				switch a.Number {
				case attributeName:
					name = string(a.Bytes)
				case attributeInt, attributeInts:
					values, err = a.Ints(values)
				}
				return err
			})
			n.ints[name] = values
			return err
		}
		return nil
	})
	if err == nil && len(n.outputs) != 1 {
		err = fmt.Errorf("a node of operator %s with %d results", n.op, len(n.outputs))
	}
	return n, err
}

func parseTensor(raw []byte, dir string) (name string, t tensor, err error) {
	var typ dataType
	var data []byte
	var dims []int64
	external := map[string]string{}
	err = protowire.Each(raw, func(f protowire.Field) (err error) {
		switch f.Number {
		case tensorDims:
			dims, err = f.Ints(dims)
		case tensorType:
			typ = dataType(f.Int())
		case tensorName:
			name = string(f.Bytes)
		case tensorRaw:
			data = f.Bytes
		case tensorExternal:
			var key, value string
			err = protowire.Each(f.Bytes, func(e protowire.Field) error {
				switch e.Number {
				case entryKey:
					key = string(e.Bytes)
				case entryValue:
					value = string(e.Bytes)
				}
				return nil
			})
			external[key] = value
		}
		return err
	})
	if err != nil {
		return name, t, err
	}
	if len(external) > 0 {
		if data, err = readExternal(dir, external); err != nil {
			return name, t, err
		}
	}
	elements := int64(1)
	for _, d := range dims {
		if d < 0 || d > math.MaxInt32 || elements > math.MaxInt32/max(d, 1) {
			return name, t, fmt.Errorf("shape %d is too large", dims)
		}
		elements *= d
		t.shape = append(t.shape, int(d))
	}
	size := int64(8)
	if d, ok := storedAs[typ]; ok {
		size = d.Size()
	} else if typ == uint8Type {
		size = 1
	} else if typ != int64Type {
		return name, t, fmt.Errorf("type %d is not supported", typ)
	}
	if int64(len(data)) != elements*size {
		return name, t, fmt.Errorf("shape %d does not fill its %d bytes", dims, len(data))
	}
	if typ == uint8Type {
		t.bytes = data
		return name, t, nil
	}
	if typ == int64Type {
		t.ints = make([]int64, elements)
		for i := range t.ints {
			t.ints[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		}
		return name, t, nil
	}
	t.floats = make([]float32, elements)
	storedAs[typ].Decode(t.floats, data)
	return name, t, nil
}

// readExternal reads a part of a file that must lie beside the graph.
func readExternal(dir string, entry map[string]string) (_ []byte, err error) {
	location := entry["location"]
	if filepath.Base(location) != location || !filepath.IsLocal(location) {
		return nil, fmt.Errorf("external data %q is not a file beside it", location)
	}
	offset, err1 := strconv.ParseInt(entry["offset"], 10, 63)
	length, err2 := strconv.ParseInt(entry["length"], 10, 63)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("external data %s: %w", location, err)
	}
	file, err := regular.Open(filepath.Join(dir, location))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if offset < 0 || offset > stat.Size() || length < 0 || length > stat.Size()-offset {
		return nil, fmt.Errorf("external data %s has %d bytes; %d from %d are expected", location, stat.Size(), length, offset)
	}
	data := make([]byte, length)
	_, err = file.ReadAt(data, offset)
	return data, err
}

// Weight returns a weight of the graph as float32, [out,in], and whether it is there.
func (g *Graph) Weight(name string) ([]float32, bool) {
	t, ok := g.constants[name]
	if !ok || t.floats != nil || t.bytes == nil {
		return t.floats, ok && t.floats != nil
	}
	s := g.constants[scales(name)].floats
	switch {
	case len(t.shape) == 2 && len(s) == t.shape[1]: // 8 bits
		in, out := t.shape[0], t.shape[1]
		x := make([]float32, in*out)
		for i, q := range t.bytes {
			x[i%out*in+i/out] = s[i%out] * float32(int(q)-zero)
		}
		return x, true
	case len(t.shape) == 3 && t.shape[2] == block/2 && len(s)*block/2 == len(t.bytes):
		x := make([]float32, 2*len(t.bytes))
		for i, q := range t.bytes {
			scale := s[2*i/block]
			x[2*i], x[2*i+1] = scale*float32(int(q&15)-half), scale*float32(int(q>>4)-half)
		}
		return x, true
	}
	return nil, false
}

// QuantisesActivations reports whether products are of integers on both sides.
func (g *Graph) QuantisesActivations() bool {
	return slices.ContainsFunc(g.nodes, func(n node) bool { return n.op == "MatMulInteger" })
}
