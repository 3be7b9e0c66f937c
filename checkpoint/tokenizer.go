package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"mobilellm/checkpoint/gguf"
	"mobilellm/tokenizer"
)

// OpenTokenizer reads the tokenizer at a path: that of a model that [Open] opens, or
// what [tokenizer.Load] takes. Its error wraps fs.ErrNotExist where there is none.
func OpenTokenizer(path string) (*tokenizer.Tokenizer, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil: // Load says what is missing
	case !info.IsDir():
		if checkGGUF(path) == nil {
			f, err := gguf.Open(path)
			if err != nil {
				return nil, err
			}
			t, err := f.Tokenizer()
			return t, errors.Join(err, f.Close())
		}
	case tokenizer.In(path):
		return folderTokenizer(path)
	default:
		if at, file, err := find(path); err == nil && !file {
			return folderTokenizer(at)
		}
	}
	return tokenizer.Load(path)
}

// folderTokenizer reads the tokenizer of a model folder, with what opened documents
// when the model was trained. Its error wraps fs.ErrNotExist where there is none.
//
// Runs that were begun before data.document_start existed opened documents with EOS
// and did not say so in the tokenizer's files, only by the configuration in
// state.json, which lacks the key.
func folderTokenizer(dir string) (*tokenizer.Tokenizer, error) {
	t, err := tokenizer.Load(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, StateFile)
	state, err := readState(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	var run struct {
		Data struct {
			DocumentStart string `yaml:"document_start"`
		} `yaml:"data"`
	}
	if err := yaml.Unmarshal([]byte(state.Config), &run); err != nil {
		return nil, fmt.Errorf("%s: config: %w", path, err)
	}
	end, ok := t.Special().End()
	if run.Data.DocumentStart != "" || !ok {
		return t, nil
	}
	if old, err := t.StartingWith(end); err == nil {
		return old, nil
	}
	return t, nil // its files have no place for it
}

// HasTokenizer says whether the model brings a tokenizer, without reading it.
func (m *Model) HasTokenizer() bool {
	if m.adapterTokenizer() {
		return true
	}
	if m.gguf != nil {
		return m.gguf.HasTokenizer()
	}
	return tokenizer.In(m.Path)
}

// Tokenizer reads the model's tokenizer. Its error wraps fs.ErrNotExist where there is
// none.
func (m *Model) Tokenizer() (*tokenizer.Tokenizer, error) {
	if m.adapterTokenizer() {
		return folderTokenizer(m.adapter.Path)
	}
	if m.gguf != nil {
		return m.gguf.Tokenizer()
	}
	return folderTokenizer(m.Path)
}

// TokenizerFiles reads what a folder has of a tokenizer; a GGUF file has none.
func (m *Model) TokenizerFiles() (tokenizer.Files, error) {
	if m.adapterTokenizer() {
		return tokenizer.ReadFiles(m.adapter.Path)
	}
	if m.gguf != nil {
		return nil, nil
	}
	return tokenizer.ReadFiles(m.Path)
}

// adapterTokenizer reports whether the tokenizer is the one that the adapter was trained
// with, which its folder has.
func (m *Model) adapterTokenizer() bool { return m.adapter != nil && tokenizer.In(m.adapter.Path) }
