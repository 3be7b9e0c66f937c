package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errTokenizerKind marks a tokenizer file that this program cannot read.
var errTokenizerKind = errors.New("unknown tokenizer kind")

// LoadTokenizer reads a tokenizer: a SentencePiece BPE model (.model), a
// Hugging Face tokenizer.json with a BPE of bytes or one made from SentencePiece's
// (byte_fallback), or a folder that holds tokenizer.model or, if there is none,
// tokenizer.json. A file of another kind
// gives an error that says which part is unknown.
func LoadTokenizer(path string) (Tokenizer, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer %s does not exist\nhint: give a folder with a tokenizer.json or tokenizer.model, or \"bytes\", or \"train\"", path)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if info.IsDir() {
		if model := filepath.Join(path, piecesFile); fileExists(model) {
			return LoadPieces(model)
		}
		path = filepath.Join(path, "tokenizer.json")
	}
	if filepath.Ext(path) == ".model" {
		return LoadPieces(path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("tokenizer %s: %w: not a tokenizer.json", path, errTokenizerKind)
	}
	var kind struct {
		Model struct {
			Type string `json:"type"`
		} `json:"model"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	if kind.Model.Type != "BPE" {
		return nil, fmt.Errorf("tokenizer %s: %w: model.type %q, want \"BPE\"", path, errTokenizerKind, kind.Model.Type)
	}
	var file tokenizerJSON
	if json.Unmarshal(text, &file) == nil {
		if t, err := file.tokenizer(); err == nil {
			return t, nil
		}
	}
	t, err := loadHuggingFace(text, filepath.Dir(path)) // not one that Save wrote
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return t, nil
}

// tokenizer builds what the file describes, or says which part it cannot.
func (f *tokenizerJSON) tokenizer() (Tokenizer, error) {
	if err := f.unsupported(); err != nil {
		return nil, err
	}
	eos := int32(-1)
	for _, a := range f.AddedTokens {
		if a.Content != EndOfText || a.SingleWord || a.LStrip || a.RStrip || a.Normalized {
			return nil, fmt.Errorf("%w: added token %q", errTokenizerKind, a.Content)
		}
		eos = a.ID
	}
	v := f.Model.Vocab
	if eos < 0 || int(eos) >= len(v) || v[eos] != EndOfText {
		return nil, fmt.Errorf("%w: no added token %q in the vocabulary", errTokenizerKind, EndOfText)
	}
	if f.PreTokenizer.Type == "ByteLevel" {
		return bytesFromFile(v, f.Model.Merges)
	}
	ids := make(map[string]int32, len(v))
	tokens := make([][]byte, len(v))
	for id, text := range v {
		ids[text] = int32(id)
		if int32(id) == eos {
			tokens[id] = []byte(text)
			continue
		}
		token, err := unprintable(text)
		if err != nil {
			return nil, err
		}
		tokens[id] = token
	}
	merges := make([]joining, len(f.Model.Merges))
	for rank, p := range f.Model.Merges {
		for i, id := range []*int32{&merges[rank].left, &merges[rank].right, &merges[rank].joined} {
			text := [3]string{p[0], p[1], p[0] + p[1]}[i]
			known, ok := ids[text]
			if !ok {
				return nil, fmt.Errorf("merge %d: token %q is not in the vocabulary", rank, text)
			}
			*id = known
		}
	}
	return newBPE(tokens, merges, eos)
}

// bytesFromFile accepts the byte tokenizer's own vocabulary only.
func bytesFromFile(v tokenList, merges []pair) (Tokenizer, error) {
	want := byteVocabulary()
	if len(v) != len(want) || len(merges) > 0 {
		return nil, fmt.Errorf("%w: pre_tokenizer ByteLevel alone with %d tokens and %d merges", errTokenizerKind, len(v), len(merges))
	}
	for id := range want {
		if v[id] != want[id] {
			return nil, fmt.Errorf("%w: token %d is %q, want %q", errTokenizerKind, id, v[id], want[id])
		}
	}
	return Bytes(), nil
}

// unsupported names the first part of the file that would change the ids in a
// way this package does not know.
func (f *tokenizerJSON) unsupported() error {
	m := f.Model
	bad := func(item string) error { return fmt.Errorf("%w: %s", errTokenizerKind, item) }
	switch {
	case f.Normalizer != nil:
		return bad("normalizer " + string(*f.Normalizer))
	case f.PostProcessor != nil:
		return bad("post_processor " + string(*f.PostProcessor))
	case f.Decoder.Type != "ByteLevel":
		return bad(fmt.Sprintf("decoder %q, want \"ByteLevel\"", f.Decoder.Type))
	case m.Dropout != nil:
		return bad(fmt.Sprintf("model.dropout %g", *m.Dropout))
	case m.ContinuingSubwordPrefix != nil && *m.ContinuingSubwordPrefix != "":
		return bad(fmt.Sprintf("model.continuing_subword_prefix %q", *m.ContinuingSubwordPrefix))
	case m.EndOfWordSuffix != nil && *m.EndOfWordSuffix != "":
		return bad(fmt.Sprintf("model.end_of_word_suffix %q", *m.EndOfWordSuffix))
	case m.IgnoreMerges:
		return bad("model.ignore_merges true")
	case m.ByteFallback:
		return bad("model.byte_fallback true")
	}
	return f.PreTokenizer.unsupported()
}

func (p *stageJSON) unsupported() error {
	last := *p
	if p.Type == "Sequence" && len(p.Pretokenizers) == 2 {
		split := p.Pretokenizers[0]
		if split.Type != "Split" || split.Pattern == nil || split.Pattern.Regex != wordPattern ||
			split.Behavior != "Isolated" || isTrue(split.Invert) {
			return fmt.Errorf("%w: pre_tokenizer %s with another pattern", errTokenizerKind, split.Type)
		}
		last = p.Pretokenizers[1]
	}
	if last.Type != "ByteLevel" {
		return fmt.Errorf("%w: pre_tokenizer %q", errTokenizerKind, last.Type)
	}
	// Both options are on where the file does not turn them off.
	if last.AddPrefixSpace == nil || *last.AddPrefixSpace || last.UseRegex == nil || *last.UseRegex {
		return fmt.Errorf("%w: pre_tokenizer ByteLevel with add_prefix_space or use_regex", errTokenizerKind)
	}
	return nil
}

func isTrue(option *bool) bool { return option != nil && *option }
