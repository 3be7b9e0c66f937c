package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"mobilellm/tokenizer"
)

// LoadTokenizer reads the tokenizer of a model folder, with what opened documents
// when the model was trained. Its error wraps fs.ErrNotExist where there is none.
//
// Runs that were begun before data.document_start existed opened documents with EOS
// and did not say so in the tokenizer's files, only by the configuration in
// state.json, which lacks the key.
func LoadTokenizer(dir string) (*tokenizer.Tokenizer, error) {
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

// Tokenizer reads the folder's tokenizer, see [LoadTokenizer].
func (m *Model) Tokenizer() (*tokenizer.Tokenizer, error) { return LoadTokenizer(m.Dir) }
