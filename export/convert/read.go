package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mobilellm/checkpoint/gguf"
	"mobilellm/export"
	"mobilellm/export/llama2c"
	"mobilellm/internal/regular"
)

// Format is a format of models.
type Format string

// The formats.
const (
	HF      Format = "hf"
	GGUF    Format = "gguf"
	ONNX    Format = "onnx"
	Llama2c Format = "llama2c"
)

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case HF, GGUF, ONNX, Llama2c:
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q: choose hf, gguf, onnx or llama2c", name)
}

// Detect tells the format of a file or folder by its first bytes.
func Detect(path string) (_ Format, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return HF, nil
	}
	f, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var start [8]byte
	if _, err := io.ReadFull(f, start[:]); err != nil {
		return "", fmt.Errorf("%s: truncated: %d bytes, no model", path, info.Size())
	}
	switch {
	case string(start[:4]) == gguf.Magic:
		return GGUF, nil
	case start[0] == 0x08 && start[1] < 0x20 && start[2] == 0x12: // ir_version, producer_name
		return ONNX, nil
	case string(start[:4]) == "24ka" || plausible(start[:]):
		return Llama2c, nil
	}
	return "", fmt.Errorf("%s: neither a model folder nor a file of GGUF, ONNX or llama2.c\nhint: safetensors and pytorch_model.bin are read as part of their folder, with its config.json", path)
}

// plausible reports whether two numbers may be the width and the FFN's width of
// a llama2.c file, which has no magic in version 0.
func plausible(start []byte) bool {
	dim, ffn := binary.LittleEndian.Uint32(start), binary.LittleEndian.Uint32(start[4:])
	return dim > 0 && dim <= 1<<20 && ffn > 0 && ffn <= 1<<22
}

// Read reads a model of any format but ONNX. tokenizer is the tokenizer.bin of a
// llama2.c file; where it is empty, NAME.tokenizer.bin and tokenizer.bin beside
// the model are tried, and without them the model has no vocabulary.
func Read(path, tokenizer string) (*export.Model, error) {
	format, err := Detect(path)
	if errors.Is(err, fs.ErrNotExist) {
		return export.Open(path) // which says what may be there
	}
	if err != nil {
		return nil, err
	}
	if tokenizer != "" && format != Llama2c {
		return nil, fmt.Errorf("a tokenizer file goes with llama2.c's models only; %s brings its own", path)
	}
	switch format {
	case HF, GGUF:
		return export.Open(path)
	case ONNX:
		return nil, fmt.Errorf("%s: ONNX graphs are written and verified, not read as models", path)
	}
	m, err := llama2c.Read(path)
	if err != nil {
		return nil, err
	}
	if tokenizer == "" {
		tokenizer = besideTokenizer(path)
	}
	if tokenizer == "" {
		return m, nil
	}
	v, err := llama2c.ReadTokenizer(tokenizer, m.Config.VocabSize)
	if err != nil {
		return nil, err
	}
	m.SetVocabulary(v)
	return m, m.Check()
}

// besideTokenizer finds a tokenizer.bin beside a model's file.
func besideTokenizer(path string) string {
	for _, candidate := range []string{tokenizerPath(path), filepath.Join(filepath.Dir(path), "tokenizer.bin")} {
		if _, err := os.Stat(candidate); !errors.Is(err, fs.ErrNotExist) {
			return candidate
		}
	}
	return ""
}

// tokenizerPath is where Write puts the tokenizer of a llama2.c file.
func tokenizerPath(path string) string {
	return strings.TrimSuffix(path, ".bin") + ".tokenizer.bin"
}
