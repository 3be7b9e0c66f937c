package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/hint"
	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/sentencepiece"
)

// ErrKind marks a tokenizer that this program cannot apply.
var ErrKind = huggingface.ErrKind

// Load reads a tokenizer: a SentencePiece model (.model), a tokenizer.json, or a
// folder that holds either. Where both are there, tokenizer.json says which tokens
// there are, and an error which differ from the model's. A file of another kind gives
// an error that says which part is unknown.
func Load(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingError(path)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := load(path, info.IsDir())
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return t, nil
}

// missingError is a path at which there is nothing.
type missingError string

func (e missingError) Error() string {
	if remote := hint.Remote(string(e), hint.Model); remote != "" {
		return "tokenizer " + remote
	}
	return fmt.Sprintf("tokenizer %s does not exist\nhint: give a folder with a tokenizer.json or tokenizer.model, or \"bytes\", or \"train\"", string(e))
}

func (missingError) Unwrap() error { return fs.ErrNotExist }

func load(path string, folder bool) (*Tokenizer, error) {
	switch {
	case folder:
		files, err := ReadFiles(path)
		if err != nil {
			return nil, err
		}
		return FromFiles(files)
	case filepath.Ext(path) == ".model":
		m, err := sentencepiece.Open(path)
		if err != nil {
			return nil, err
		}
		return FromModel(m)
	}
	files, err := ReadFiles(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	delete(files, ModelFile) // the one named is meant
	if files[JSONFile], err = readFile(path); err != nil {
		return nil, err
	}
	return loadJSON(files)
}

// FromFiles makes a tokenizer of the files of a folder.
func FromFiles(files Files) (*Tokenizer, error) {
	model, err := parseModel(files[ModelFile])
	switch {
	case files[JSONFile] == nil && files[ModelFile] == nil:
		return nil, fmt.Errorf("neither %s nor %s is there: %w", JSONFile, ModelFile, fs.ErrNotExist)
	case err != nil && files[JSONFile] == nil:
		return nil, fmt.Errorf("%s: %w", ModelFile, err)
	case model == nil: // tiktoken's, or none
		t, err := loadJSON(files)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", JSONFile, err)
		}
		return t, nil
	}
	return loadBoth(model, files)
}

// parseModel reads a SentencePiece model; nil for none.
func parseModel(raw []byte) (*sentencepiece.Model, error) {
	if raw == nil {
		return nil, nil
	}
	m, err := sentencepiece.Parse(raw)
	if err != nil && tiktoken.Match(raw) {
		return nil, fmt.Errorf("%w: it is tiktoken's list of tokens, of which only a tokenizer.json beside it says the rest", ErrKind)
	}
	return m, err
}
