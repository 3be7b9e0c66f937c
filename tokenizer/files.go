package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/tokenizer/huggingface"
)

// The names of files that say something of a tokenizer.
const (
	ModelFile  = "tokenizer.model" // SentencePiece's, or tiktoken's
	JSONFile   = "tokenizer.json"
	ConfigFile = "tokenizer_config.json"

	specialMapFile  = "special_tokens_map.json"
	addedTokensFile = "added_tokens.json"

	// GenerationFile holds what other tools generate text with by default.
	GenerationFile  = "generation_config.json"
	modelConfigFile = "config.json"
)

// travelling are the files that make a folder's tokenizer: they go where it goes.
var travelling = []string{
	ModelFile, JSONFile, ConfigFile, specialMapFile, addedTokensFile,
	templateFile, "chat_template.json", "vocab.json", "merges.txt",
}

// maxFile bounds a tokenizer's file; Llama 3's has 17 MB.
const maxFile = 256 << 20

// Files are the contents of a folder's files by name: those of a tokenizer, and
// what the model's say of tokens.
type Files map[string][]byte

// ReadFiles reads those files of a folder that are there.
func ReadFiles(dir string) (Files, error) {
	files := Files{}
	for _, name := range append([]string{modelConfigFile, GenerationFile}, travelling...) {
		raw, err := readFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = raw
	}
	return files, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are more than a tokenizer's file of %d", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// Has says whether there is a tokenizer among them.
func (f Files) Has() bool { return f[ModelFile] != nil || f[JSONFile] != nil }

// Write puts the tokenizer's files into a folder. What a model's files say of
// tokens stays behind.
func (f Files) Write(dir string) error {
	for _, name := range travelling {
		if f[name] == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), f[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// withStart are the same files with the token that opens a text in tokenizer.json.
func (f Files) withStart(token string, id int32) (Files, error) {
	raw, err := huggingface.SetStart(f[JSONFile], token, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", JSONFile, err)
	}
	return f.with(JSONFile, raw), nil
}

// with are the same files with one changed or added.
func (f Files) with(name string, raw []byte) Files {
	other := make(Files, len(f)+1)
	for name, raw := range f {
		other[name] = raw
	}
	other[name] = raw
	return other
}
