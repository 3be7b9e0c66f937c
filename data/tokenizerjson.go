package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// tokenizerJSON is the part of the Hugging Face tokenizers file that a
// byte-level BPE uses.
type tokenizerJSON struct {
	Version       string           `json:"version"`
	Truncation    *json.RawMessage `json:"truncation"`
	Padding       *json.RawMessage `json:"padding"`
	AddedTokens   []addedToken     `json:"added_tokens"`
	Normalizer    *json.RawMessage `json:"normalizer"`
	PreTokenizer  stageJSON        `json:"pre_tokenizer"`
	PostProcessor *json.RawMessage `json:"post_processor"`
	Decoder       stageJSON        `json:"decoder"`
	Model         modelJSON        `json:"model"`
}

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// stageJSON is a pre-tokenizer, a part of one, or a decoder.
type stageJSON struct {
	Type           string       `json:"type"`
	Pretokenizers  []stageJSON  `json:"pretokenizers,omitempty"`
	Pattern        *patternJSON `json:"pattern,omitempty"`
	Behavior       string       `json:"behavior,omitempty"`
	Invert         *bool        `json:"invert,omitempty"`
	AddPrefixSpace *bool        `json:"add_prefix_space,omitempty"`
	TrimOffsets    *bool        `json:"trim_offsets,omitempty"`
	UseRegex       *bool        `json:"use_regex,omitempty"`
}

type patternJSON struct {
	Regex string `json:"Regex"`
}

func byteLevelStage() stageJSON {
	return stageJSON{Type: "ByteLevel", AddPrefixSpace: new(bool), TrimOffsets: new(true), UseRegex: new(bool)}
}

func splitStage(pattern string) stageJSON {
	return stageJSON{Type: "Split", Pattern: &patternJSON{pattern}, Behavior: "Isolated", Invert: new(bool)}
}

type modelJSON struct {
	Type                    string    `json:"type"`
	Dropout                 *float64  `json:"dropout"`
	UnkToken                *string   `json:"unk_token"`
	ContinuingSubwordPrefix *string   `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string   `json:"end_of_word_suffix"`
	FuseUnk                 bool      `json:"fuse_unk"`
	ByteFallback            bool      `json:"byte_fallback"`
	IgnoreMerges            bool      `json:"ignore_merges"`
	Vocab                   tokenList `json:"vocab"`
	Merges                  []pair    `json:"merges"`
}

// tokenList is a token's text by id; the file has an object from text to id.
type tokenList []string

func (v tokenList) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteByte('{')
	for id, token := range v {
		if id > 0 {
			out.WriteByte(',')
		}
		if err := encoder.Encode(token); err != nil {
			return nil, fmt.Errorf("token %d: %w", id, err)
		}
		out.WriteByte(':')
		out.WriteString(strconv.Itoa(id))
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (v *tokenList) UnmarshalJSON(text []byte) error {
	var ids map[string]int
	if err := json.Unmarshal(text, &ids); err != nil {
		return err
	}
	*v = make(tokenList, len(ids))
	seen := make([]bool, len(ids))
	for token, id := range ids {
		if id < 0 || id >= len(ids) || seen[id] {
			return fmt.Errorf("vocab: token %q has id %d; %d tokens need the ids 0 to %d, each once", token, id, len(ids), len(ids)-1)
		}
		(*v)[id], seen[id] = token, true
	}
	return nil
}

// pair is a merge: two tokens, in older files one string with a blank.
type pair [2]string

func (p *pair) UnmarshalJSON(text []byte) error {
	var joined string
	if json.Unmarshal(text, &joined) == nil {
		left, right, ok := bytes.Cut([]byte(joined), []byte(" "))
		if !ok {
			return fmt.Errorf("merge %q: want two tokens with a blank between", joined)
		}
		*p = pair{string(left), string(right)}
		return nil
	}
	var both []string
	if err := json.Unmarshal(text, &both); err != nil {
		return err
	}
	if len(both) != 2 {
		return fmt.Errorf("merge of %d tokens: want 2", len(both))
	}
	*p = pair(both)
	return nil
}

func byteVocabulary() tokenList {
	v := make(tokenList, 257)
	for b := range 256 {
		v[b] = printable([]byte{byte(b)})
	}
	v[byteEOS] = EndOfText
	return v
}

// tokenizerFile describes a byte-level BPE; without a pattern the text is one
// word, which with no merges is the byte tokenizer.
func tokenizerFile(v tokenList, merges []joining, pattern string) tokenizerJSON {
	file := tokenizerJSON{
		Version:      "1.0",
		PreTokenizer: byteLevelStage(),
		Decoder:      byteLevelStage(),
		Model:        modelJSON{Type: "BPE", Vocab: v, Merges: make([]pair, len(merges))},
	}
	if pattern != "" {
		file.PreTokenizer = stageJSON{
			Type:          "Sequence",
			Pretokenizers: []stageJSON{splitStage(pattern), byteLevelStage()},
		}
	}
	for id, token := range v {
		if token == EndOfText {
			file.AddedTokens = []addedToken{{ID: int32(id), Content: EndOfText, Special: true}}
		}
	}
	for i, m := range merges {
		file.Model.Merges[i] = pair{v[m.left], v[m.right]}
	}
	return file
}

// saveTokenizer writes the three files that Hugging Face tools look for.
func saveTokenizer(dir string, file tokenizerJSON) error {
	special := map[string]any{"bos_token": EndOfText, "eos_token": EndOfText}
	config := map[string]any{
		"tokenizer_class":              "PreTrainedTokenizerFast",
		"bos_token":                    EndOfText,
		"eos_token":                    EndOfText,
		"add_prefix_space":             false,
		"clean_up_tokenization_spaces": false,
	}
	for _, f := range []struct {
		name  string
		value any
	}{
		{"tokenizer.json", file},
		{"tokenizer_config.json", config},
		{"special_tokens_map.json", special},
	} {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(f.value); err != nil {
			return fmt.Errorf("tokenizer: %s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), text.Bytes(), 0o644); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
	}
	return nil
}
