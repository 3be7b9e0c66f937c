package vocab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Kind is the way in which a tokenizer cuts text.
type Kind int

const (
	// SentencePiece merges characters by the score of the piece that two
	// neighbours make; what has no piece falls back to bytes.
	SentencePiece Kind = iota + 1
	// ByteLevel merges bytes within words by a list of merges.
	ByteLevel
)

// Type is what a token stands for, by SentencePiece's and llama.cpp's numbers.
type Type int32

// The types of tokens.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3
	UserDefined Type = 4
	Unused      Type = 5
	Byte        Type = 6
)

// Token is an entry of a vocabulary. Text is as its kind's files have it: with
// U+2581 for a blank, or in the byte alphabet of GPT-2.
type Token struct {
	Text  string
	Score float32
	Type  Type
}

// Vocabulary is a tokenizer.
type Vocabulary struct {
	Kind     Kind
	Tokens   []Token
	Merges   [][2]string // ByteLevel only, the first to be done first
	Pattern  string      // ByteLevel only: the regular expression of words; empty for none
	BOS, EOS int         // −1 for none
	Unknown  int         // −1 for none

	// SentencePiece only.
	AddPrefix         bool // a blank before the text
	RemoveExtraBlanks bool
	CharsMap          []byte // the normaliser's precompiled rules, empty for none

	files map[string][]byte // the files of the folder it was read from
}

// tokenizerFiles are the names of the files that make a folder's tokenizer.
var tokenizerFiles = []string{
	modelFile, jsonFile, configFile, "special_tokens_map.json", "added_tokens.json",
}

const (
	modelFile  = "tokenizer.model"
	jsonFile   = "tokenizer.json"
	configFile = "tokenizer_config.json"

	// maxFile bounds a tokenizer's file; Llama 3's has 17 MB.
	maxFile = 256 << 20
)

// FromFolder reads the tokenizer of a model folder, nil where it has none.
// SentencePiece's tokenizer.model goes before tokenizer.json.
func FromFolder(dir string) (*Vocabulary, error) {
	files := map[string][]byte{}
	for _, name := range tokenizerFiles {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Size() > maxFile {
			return nil, fmt.Errorf("%s: %d bytes are more than a tokenizer of %d", path, info.Size(), maxFile)
		}
		if files[name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	var v *Vocabulary
	var err error
	name := modelFile
	if raw, ok := files[modelFile]; ok {
		v, err = ParseModel(raw)
	} else if raw, ok := files[jsonFile]; ok {
		name = jsonFile
		v, err = ParseJSON(raw)
	} else {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	v.files = files
	return v, nil
}

// SaveFolder writes the tokenizer's files into a model folder: those that it was
// read from, and for SentencePiece those that were missing: tokenizer.model,
// tokenizer.json, tokenizer_config.json and special_tokens_map.json.
func (v *Vocabulary) SaveFolder(dir string) error {
	files := map[string][]byte{}
	for name, raw := range v.files {
		files[name] = raw
	}
	for _, add := range []struct {
		name string
		make func() ([]byte, error)
	}{
		{modelFile, v.marshalModel},
		{jsonFile, v.marshalJSON},
		{configFile, v.marshalConfig},
		{"special_tokens_map.json", v.marshalSpecial},
	} {
		if files[add.name] != nil {
			continue
		}
		raw, err := add.make()
		if err != nil {
			return fmt.Errorf("%s: %w", add.name, err)
		}
		if raw != nil {
			files[add.name] = raw
		}
	}
	if v.files[jsonFile] == nil && files[jsonFile] != nil {
		config, err := withFastClass(files[configFile])
		if err != nil {
			return fmt.Errorf("%s: %w", configFile, err)
		}
		files[configFile] = config
	}
	for name, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// text is the text of a token, empty for an id of −1.
func (v *Vocabulary) text(id int) string {
	if id < 0 || id >= len(v.Tokens) {
		return ""
	}
	return v.Tokens[id].Text
}
