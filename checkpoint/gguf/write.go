package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"mobilellm/arch"
	"mobilellm/checkpoint/rotary"
	"mobilellm/tokenizer"
)

// Magic begins every file.
const Magic = "GGUF"

const (
	version   = 3
	alignment = 32
)

// The types of metadata values.
const (
	typeUint8   = 0
	typeInt8    = 1
	typeUint16  = 2
	typeInt16   = 3
	typeUint32  = 4
	typeInt32   = 5
	typeFloat32 = 6
	typeBool    = 7
	typeString  = 8
	typeArray   = 9
	typeUint64  = 10
	typeInt64   = 11
	typeFloat64 = 12
)

// keyValue is an entry of the metadata: a uint32, int32, float32, float64, bool or
// string, or a list of strings, float32, int32 or bytes.
type keyValue struct {
	key   string
	value any
}

// output is a tensor to be written.
type output struct {
	name  string
	shape []int
	typ   Type
	data  func() []float32
}

// Contents is a model to be written.
type Contents struct {
	Config     arch.Config           // resolved
	Weights    map[string][]float32  // by Hugging Face's names, of the config's shapes
	Vocabulary *tokenizer.Vocabulary // nil for none
}

// Write writes a model of SwiGLU layers without sharing, of llama.cpp's llama or qwen3, and says what llama.cpp
// will do otherwise than the model's tokenizer. Tensors are converted one at a time.
func Write(w io.Writer, m Contents, t Type) (notes []string, err error) {
	switch {
	case m.Config.FFN != arch.SwiGLU:
		return nil, fmt.Errorf("gguf: a feed-forward network of %s has no place in llama.cpp's llama architecture", m.Config.FFN)
	case m.Config.QKNorm && m.Config.RoPEScaling.Type == arch.Llama3RoPE:
		return nil, fmt.Errorf("gguf: llama.cpp's qwen3 has no place for rope scaling %s (model.qk_norm)", m.Config.RoPEScaling.Type)
	case m.Config.LayerSharing.Shared():
		return nil, fmt.Errorf("gguf: shared layers (%s) have no place in the format: unroll them first", m.Config.LayerSharing.Strategy)
	}
	metadata, err := shapeMetadata(m.Config, t)
	if err != nil {
		return nil, err
	}
	tokens, notes, err := tokenizerMetadata(m.Vocabulary, m.Config.VocabSize)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	metadata = append(metadata, tokens...)
	return notes, writeFile(w, metadata, outputs(m, t))
}

// writeFile writes header, metadata and tensors.
func writeFile(w io.Writer, metadata []keyValue, tensors []output) error {
	header := []byte(Magic)
	header = binary.LittleEndian.AppendUint32(header, version)
	header = binary.LittleEndian.AppendUint64(header, uint64(len(tensors)))
	header = binary.LittleEndian.AppendUint64(header, uint64(len(metadata)))
	for _, kv := range metadata {
		header = appendValue(appendString(header, kv.key), kv.value, true)
	}
	var at int64
	for _, o := range tensors {
		header = appendString(header, o.name)
		header = binary.LittleEndian.AppendUint32(header, uint32(len(o.shape)))
		for i := len(o.shape) - 1; i >= 0; i-- { // the fastest dimension first
			header = binary.LittleEndian.AppendUint64(header, uint64(o.shape[i]))
		}
		header = binary.LittleEndian.AppendUint32(header, uint32(o.typ))
		header = binary.LittleEndian.AppendUint64(header, uint64(at))
		at += padded(o.bytes())
	}
	header = append(header, make([]byte, padded(int64(len(header)))-int64(len(header)))...)
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, o := range tensors {
		if err := o.write(w); err != nil {
			return fmt.Errorf("tensor %s: %w", o.name, err)
		}
	}
	return nil
}

// outputs lists the tensors in llama.cpp's order: what is outside the layers,
// then layer by layer.
func outputs(m Contents, t Type) []output {
	var outside, layers []output
	for _, p := range m.Config.Parameters() {
		o := output{name: tensorName(p), shape: p.Shape, typ: t.of(m.Config, p), data: func() []float32 {
			x := m.Weights[p.Name]
			if heads := rotatedHeads(m.Config, p); heads > 0 {
				return rotary.ToNeighbours(x, heads, m.Config.HeadDim)
			}
			return x
		}}
		if p.Layer < 0 {
			outside = append(outside, o)
		} else {
			layers = append(layers, o)
		}
	}
	if list := factors(m.Config); list != nil {
		outside = append(outside, output{ropeFactors, []int{len(list)}, F32, func() []float32 { return list }})
	}
	return append(outside, layers...)
}

func (o output) bytes() int64 {
	n := int64(1)
	for _, d := range o.shape {
		n *= int64(d)
	}
	return o.typ.size(n)
}

// of is the type of a parameter in a file of type t. As in llama.cpp's files, norms stay
// float32, the output matrix (the embedding where it is that too) is q8_0 in files of
// fewer bits, and rows that are no whole blocks are float16.
func (t Type) of(c arch.Config, p arch.Parameter) Type {
	switch {
	case p.Norm:
		return F32
	case !t.Fits(p.Shape[len(p.Shape)-1]):
		return F16
	case layouts[t].halves > 0 && p.Name == c.HeadParameter():
		return Q8_0
	}
	return t
}

// Size is the bytes that the tensors of a model take in a file of type t, shared layers
// unrolled; metadata, of which the vocabulary is the most, comes before them.
func Size(c arch.Config, t Type) int64 {
	var n int64
	for _, o := range outputs(Contents{Config: c.Unrolled()}, t) {
		n += padded(o.bytes())
	}
	return n
}

// write writes the tensor's data and what fills it up to the alignment. It is encoded on
// as many goroutines as there are processors.
func (o output) write(w io.Writer) error {
	x, l, workers := o.data(), layouts[o.typ], runtime.GOMAXPROCS(0)
	buffer := make([]byte, o.typ.size(int64(min(workers*perPart, len(x)))))
	errs := make([]error, workers)
	for done := 0; done < len(x); done += workers * perPart {
		round := x[done:min(done+workers*perPart, len(x))]
		raw := buffer[:o.typ.size(int64(len(round)))]
		var group sync.WaitGroup
		for i := range (len(round) + perPart - 1) / perPart {
			group.Go(func() {
				part := round[i*perPart : min((i+1)*perPart, len(round))]
				to := raw[o.typ.size(int64(i)*perPart):][:o.typ.size(int64(len(part)))]
				l.encode(to, part)
				if err := o.typ.checkBlocks(part, to); err != nil {
					errs[i] = fmt.Errorf("from element %d: %w", done+i*perPart, err)
				}
			})
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	_, err := w.Write(make([]byte, padded(o.bytes())-o.bytes()))
	return err
}

func padded(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// appendValue appends a value, with its type before it.
func appendValue(b []byte, value any, typed bool) []byte {
	number := func(typ uint32) {
		if typed {
			b = binary.LittleEndian.AppendUint32(b, typ)
		}
	}
	switch v := value.(type) {
	case uint32:
		number(typeUint32)
		return binary.LittleEndian.AppendUint32(b, v)
	case int32:
		number(typeInt32)
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	case float32:
		number(typeFloat32)
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	case float64:
		number(typeFloat64)
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case uint8:
		number(typeUint8)
		return append(b, v)
	case bool:
		number(typeBool)
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case string:
		number(typeString)
		return appendString(b, v)
	case []string:
		return appendArray(b, typeString, v)
	case []float32:
		return appendArray(b, typeFloat32, v)
	case []int32:
		return appendArray(b, typeInt32, v)
	case []byte:
		return appendArray(b, typeUint8, v)
	}
	panic(fmt.Sprintf("gguf: metadata of type %T", value))
}

func appendArray[T any](b []byte, typ uint32, list []T) []byte {
	b = binary.LittleEndian.AppendUint32(b, typeArray)
	b = binary.LittleEndian.AppendUint32(b, typ)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(list)))
	for _, v := range list {
		b = appendValue(b, v, false)
	}
	return b
}
