package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/gguf"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/export"
	"mobilellm/export/llama2c"
	"mobilellm/export/onnx"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/filelock"
)

// Options say what to write.
type Options struct {
	Format  Format
	Type    string          // one of the format's; empty means f32
	Version llama2c.Version // of a llama2.c file
	// Quantize is what of a folder is in 8 bits; the rest has Type.
	Quantize checkpoint.Quantization
	Out      string // must not exist
	License  string // of a Hugging Face folder's model card, an identifier of the Hub; empty for none
}

// Types are the types of weights that a format has.
func (f Format) Types() (list []string) {
	switch f {
	case HF:
		list = []string{"f32", "bf16", "f16"}
	case ONNX:
		for _, t := range onnx.Types() {
			list = append(list, string(t))
		}
	case GGUF:
		for _, t := range gguf.Types() {
			list = append(list, t.String())
		}
	default:
		list = []string{"f32"}
	}
	return list
}

// dtypes are safetensors' names of types.
var dtypes = map[string]safetensors.DType{"f32": safetensors.F32, "f16": safetensors.F16, "bf16": safetensors.BF16}

// CheckType is an error where the format has no such type of weights.
func (f Format) CheckType(name string) error {
	if types := f.Types(); !slices.Contains(types, name) {
		return fmt.Errorf("type %q is not one of %s: choose %s", name, f, strings.Join(types, ", "))
	}
	return nil
}

// Write writes a model and returns the paths of what it wrote, and what the user
// should know of it.
func Write(m *export.Model, o Options) (paths, notes []string, err error) {
	if o.Type == "" {
		o.Type = "f32"
	}
	if err := o.Format.CheckType(o.Type); err != nil {
		return nil, nil, err
	}
	if err := export.CheckLicense(o.License); err != nil {
		return nil, nil, err
	}
	if o.Quantize != checkpoint.NotQuantized && o.Format != HF {
		return nil, nil, fmt.Errorf("quantize (%s) is for the format hf, not %s", o.Quantize, o.Format)
	}
	if o.Out == "" {
		return nil, nil, errors.New("the path to write to is missing")
	}
	if o.Format == HF {
		if err := os.MkdirAll(filepath.Dir(o.Out), 0o777); err != nil {
			return nil, nil, err
		}
	}
	lock, err := filelock.Hold(filelock.Beside(o.Out), o.Out)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	if err := atomicfile.SweepPath(o.Out); err != nil {
		return nil, nil, err
	}
	if _, err := os.Lstat(o.Out); err == nil {
		return nil, nil, fmt.Errorf("%s exists already\nhint: remove it, or give another path", o.Out)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", o.Out, err)
		}
	}()
	if o.Format != ONNX { // whose graph runs a layer as often as it likes
		shared := m.Config.LayerSharing
		if m, err = m.Unrolled(); err != nil {
			return nil, nil, err
		}
		if shared.Shared() {
			notes = append(notes, fmt.Sprintf("shared layers (%s, %d times) are unrolled to %d layers", shared.Strategy, shared.Repeat, m.Config.Layers))
		}
	}
	if m.Config.RoPEScaling.Type == arch.DynamicRoPE && o.Format != HF {
		notes = append(notes, fmt.Sprintf("dynamic rotary embeddings are kept as they are within the context of %d tokens; %s has no place for what they do beyond", m.Config.Context, o.Format))
	}
	if m.OpenTokenizer == nil {
		notes = append(notes, "the model came without a tokenizer, and so it goes")
	}
	paths = []string{o.Out}
	switch o.Format {
	case HF:
		if m.Config.FFN != arch.SwiGLU {
			return nil, nil, fmt.Errorf("a feed-forward network of %s has no place in Hugging Face's LLaMA or Qwen3", m.Config.FFN)
		}
		said, saveErr := m.SaveFolder(o.Out, export.FolderOptions{DType: dtypes[o.Type], License: o.License, Quantize: o.Quantize})
		notes, err = append(notes, said...), saveErr
	case GGUF:
		said, writeErr := writeGGUF(o.Out, m, o.Type)
		notes, err = append(notes, said...), writeErr
	case ONNX:
		if paths, err = writeONNX(o.Out, m, onnx.Type(o.Type)); err != nil {
			return nil, nil, err
		}
	case Llama2c:
		if err = atomicfile.WriteFunc(o.Out, func(w io.Writer) error { return llama2c.Write(w, m, o.Version) }); err == nil {
			paths, notes, err = writeTokenizer(o.Out, m, paths, notes)
		}
	default:
		err = fmt.Errorf("unknown format %q", o.Format)
	}
	if err != nil {
		return nil, notes, err
	}
	if o.Format != ONNX { // which needs no tokenizer
		notes = append(notes, beyond(m)...)
	}
	return paths, notes, nil
}

// beyond says which of the tokenizer's ids the model has no place for.
func beyond(m *export.Model) []string {
	t, err := m.Tokenizer()
	if t == nil || err != nil {
		return nil
	}
	if note := t.Beyond(m.Config.VocabSize); note != "" {
		return []string{note}
	}
	return nil
}

// writeGGUF writes a file with the weights in a type of that name.
func writeGGUF(path string, m *export.Model, name string) (notes []string, err error) {
	typ, err := gguf.ParseType(name)
	if err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	v, err := m.Vocabulary()
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	err = atomicfile.WriteFunc(path, func(w io.Writer) error {
		notes, err = gguf.Write(w, gguf.Contents{Config: m.Config, Weights: m.Weights, Vocabulary: v}, typ)
		return err
	})
	return notes, err
}

// writeONNX writes a graph, and its data where that is a file of its own. The
// graph names that file, so both are written under their own names in a folder
// beside, and moved.
func writeONNX(path string, m *export.Model, typ onnx.Type) (paths []string, err error) {
	dir, err := atomicfile.CreateFolder(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	graph := filepath.Join(dir, filepath.Base(path))
	if err := onnx.Write(graph, m, typ); err != nil {
		return nil, err
	}
	if _, err := os.Stat(graph + ".data"); err == nil {
		paths = append(paths, path+".data")
		if err := os.Rename(graph+".data", path+".data"); err != nil {
			return nil, err
		}
	}
	return append([]string{path}, paths...), errors.Join(os.Rename(graph, path), atomicfile.SyncFolder(filepath.Dir(path)))
}

// writeTokenizer puts a tokenizer.bin beside a llama2.c file where it can hold
// the vocabulary.
func writeTokenizer(out string, m *export.Model, paths, notes []string) ([]string, []string, error) {
	v, err := m.Vocabulary()
	var raw strings.Builder
	switch {
	case v == nil && err == nil:
		return paths, notes, nil
	case err == nil:
		if v, err = v.Within(m.Config.VocabSize); err == nil {
			err = llama2c.WriteTokenizer(&raw, v, m.Config.VocabSize)
		}
	}
	if err != nil {
		return paths, append(notes, "no tokenizer is written: "+err.Error()), nil
	}
	path := tokenizerPath(out)
	err = atomicfile.WriteFunc(path, func(w io.Writer) error { _, err := io.WriteString(w, raw.String()); return err })
	return append(paths, path), notes, err
}
