package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mobilellm/internal/atomicfile"
	"mobilellm/internal/regular"
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
	templateFile, processorTemplateFile, "vocab.json", "merges.txt",
}

// templatesDir is the folder of chat templates with other names.
const templatesDir = "additional_chat_templates"

// maxFile bounds a tokenizer's file; Llama 3's has 17 MB.
const maxFile = 256 << 20

// Files are the contents of a folder's files by name: those of a tokenizer, and
// what the model's say of tokens.
type Files map[string][]byte

// ReadFiles reads those files of a folder that are there.
func ReadFiles(dir string) (Files, error) {
	files := Files{}
	names := slices.Concat([]string{modelConfigFile, GenerationFile}, travelling, moreTemplates(dir))
	for _, name := range names {
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
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are more than a tokenizer's file of %d", path, info.Size(), maxFile)
	}
	return regular.ReadFile(path)
}

// Has says whether there is a tokenizer among them.
func (f Files) Has() bool { return f[ModelFile] != nil || f[JSONFile] != nil }

// In says whether there is a tokenizer in a folder, without reading it.
func In(dir string) bool {
	for _, name := range []string{ModelFile, JSONFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// moreTemplates are the names of a folder's chat templates beside the default one.
func moreTemplates(dir string) (names []string) {
	entries, err := os.ReadDir(filepath.Join(dir, templatesDir))
	if err != nil {
		return nil // most folders have none
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".jinja" {
			names = append(names, filepath.Join(templatesDir, e.Name()))
		}
	}
	return names
}

// Travels says whether a file goes where the tokenizer goes; what a model's files say
// of tokens stays behind.
func Travels(name string) bool { return name != modelConfigFile && name != GenerationFile }

// Write puts the tokenizer's files into a folder.
func (f Files) Write(dir string) error {
	for name, raw := range f {
		if !Travels(name) {
			continue
		}
		if sub := filepath.Dir(name); sub != "." {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				return err
			}
		}
		if err := atomicfile.Write(filepath.Join(dir, name), raw); err != nil {
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
