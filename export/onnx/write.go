package onnx

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"mobilellm/export"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/protowire"
)

// maxInline is the size of weights above which they go to a file of their own: a
// protocol buffer may not exceed 2 GB.
const maxInline = 1_900_000_000

// minExternal is the size from which an initializer is moved there: shape
// inference wants small constants in the graph.
const minExternal = 1024

// Write writes a model to path, with its weights as t. Where they take more than 1.9 GB
// they are put beside it in path.data.
func Write(path string, m *export.Model, t Type) error {
	return write(path, m, t, maxInline)
}

func write(path string, m *export.Model, t Type, most int64) error {
	if err := m.Check(); err != nil {
		return err
	}
	if err := t.check(m); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	ffn, err := feedForwardOf(m.Config.FFN)
	if err != nil {
		return err
	}
	return build(m, ffn, t).save(path, most)
}

// save writes the graph, weights of more than so many bytes in a file of their own.
func (b *builder) save(path string, most int64) error {
	total := int64(len(b.nodes))
	for _, i := range b.initializers {
		total += i.bytes + 64
	}
	external := ""
	if total > most {
		external = path + ".data"
		if err := atomicfile.WriteFunc(external, b.writeExternal); err != nil {
			return err
		}
	}
	return atomicfile.WriteFunc(path, func(w io.Writer) error { return b.writeModel(w, filepath.Base(external)) })
}

func (b *builder) writeExternal(w io.Writer) error {
	for _, i := range b.initializers {
		if i.bytes < minExternal {
			continue
		}
		if err := i.write(func(part []byte) error { _, err := w.Write(part); return err }); err != nil {
			return err
		}
	}
	return nil
}

// writeModel writes the model's message. Weights are streamed: only the lengths
// of what holds them are computed first. Without external data the name is ".".
func (b *builder) writeModel(w io.Writer, external string) error {
	var start protowire.Message
	start.Int(modelIRVersion, irVersion)
	start.String(modelProducer, "mobilellm")
	var operators protowire.Message
	operators.String(opsetDomain, "") // the standard one
	operators.Int(opsetVersion, opset)
	start.Bytes(modelOpset, operators)
	if b.microsoft {
		var operators protowire.Message
		operators.String(opsetDomain, microsoft)
		operators.Int(opsetVersion, 1)
		start.Bytes(modelOpset, operators)
	}

	// The pieces of the graph in order: bytes, or an initializer's data.
	type piece struct {
		head protowire.Message
		data *initializer
	}
	var pieces []piece
	var first protowire.Message
	first.String(graphName, "decoder")
	first = append(first, b.nodes...)
	pieces = append(pieces, piece{head: first})
	at := int64(0)
	for n := range b.initializers {
		i := &b.initializers[n]
		head, p := i.head(), piece{}
		if external != "." && i.bytes >= minExternal {
			for _, entry := range [][2]string{
				{"location", external}, {"offset", strconv.FormatInt(at, 10)}, {"length", strconv.FormatInt(i.bytes, 10)},
			} {
				var e protowire.Message
				e.String(entryKey, entry[0])
				e.String(entryValue, entry[1])
				head.Bytes(tensorExternal, e)
			}
			head.Int(tensorLocation, 1)
			at += i.bytes
			p.head.Bytes(graphInitializer, head)
		} else {
			head.Length(tensorRaw, int(i.bytes))
			p.head.Length(graphInitializer, len(head)+int(i.bytes))
			p.head = append(p.head, head...)
			p.data = i
		}
		pieces = append(pieces, p)
	}
	last := append(append(protowire.Message{}, b.inputs...), b.outputs...)
	pieces = append(pieces, piece{head: last})

	length := 0
	for _, p := range pieces {
		length += len(p.head)
		if p.data != nil {
			length += int(p.data.bytes)
		}
	}
	start.Length(modelGraph, length)
	if _, err := w.Write(start); err != nil {
		return err
	}
	for _, p := range pieces {
		if _, err := w.Write(p.head); err != nil {
			return err
		}
		if p.data == nil {
			continue
		}
		if err := p.data.write(func(part []byte) error { _, err := w.Write(part); return err }); err != nil {
			return err
		}
	}
	return nil
}
