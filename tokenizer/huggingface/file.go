package huggingface

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"mobilellm/tokenizer/internal/words"
)

// ErrKind marks a tokenizer that this package cannot apply.
var ErrKind = errors.New("unknown tokenizer kind")

// File is a tokenizer.json. A field that a stage of some type lacks is left out of
// it.
type File struct {
	Version       string           `json:"version"`
	Truncation    *json.RawMessage `json:"truncation"`
	Padding       *json.RawMessage `json:"padding"`
	AddedTokens   []AddedToken     `json:"added_tokens"`
	Normalizer    *Stage           `json:"normalizer"`
	PreTokenizer  *Stage           `json:"pre_tokenizer"`
	PostProcessor *Stage           `json:"post_processor"`
	Decoder       *Stage           `json:"decoder"`
	Model         Model            `json:"model"`
}

// AddedToken is a token that is cut out of a text before anything else.
type AddedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// Stage is a normalizer, a pre-tokenizer, a post-processor, a decoder, or a part of
// one.
type Stage struct {
	Type string `json:"type"`

	// The parts of a Sequence.
	Normalizers   []Stage `json:"normalizers,omitempty"`
	Pretokenizers []Stage `json:"pretokenizers,omitempty"`
	Processors    []Stage `json:"processors,omitempty"`
	Decoders      []Stage `json:"decoders,omitempty"`

	Prepend string   `json:"prepend,omitempty"` // Prepend
	Pattern *Pattern `json:"pattern,omitempty"` // Split, Replace
	Content *string  `json:"content,omitempty"` // Replace, Strip of a decoder

	Behavior string `json:"behavior,omitempty"` // Split, Punctuation
	Invert   *bool  `json:"invert,omitempty"`

	Start *int `json:"start,omitempty"` // Strip of a decoder
	Stop  *int `json:"stop,omitempty"`

	StripLeft  *bool `json:"strip_left,omitempty"` // Strip of a normalizer
	StripRight *bool `json:"strip_right,omitempty"`

	Replacement   string `json:"replacement,omitempty"`    // Metaspace
	PrependScheme string `json:"prepend_scheme,omitempty"` // always, first or never
	Split         *bool  `json:"split,omitempty"`

	AddPrefixSpace *bool `json:"add_prefix_space,omitempty"` // ByteLevel; older files' Metaspace
	TrimOffsets    *bool `json:"trim_offsets,omitempty"`
	UseRegex       *bool `json:"use_regex,omitempty"`

	IndividualDigits bool `json:"individual_digits,omitempty"` // Digits

	Delimiter string `json:"delimiter,omitempty"` // CharDelimiterSplit

	CharsMap []byte `json:"precompiled_charsmap,omitempty"` // Precompiled

	Single        []TemplatePiece            `json:"single,omitempty"` // TemplateProcessing
	Pair          []TemplatePiece            `json:"pair,omitempty"`
	SpecialTokens map[string]TemplateSpecial `json:"special_tokens,omitempty"`

	Class *ClassToken `json:"cls,omitempty"` // BertProcessing, RobertaProcessing
}

// Pattern is a regular expression, or a text that stands for itself.
type Pattern struct {
	String *string `json:"String,omitempty"`
	Regex  *string `json:"Regex,omitempty"`
}

// ClassToken is the id before each text, which the file has as a list of text and id.
type ClassToken struct{ ID int32 }

// UnmarshalJSON implements json.Unmarshaler.
func (c *ClassToken) UnmarshalJSON(raw []byte) error {
	var both []json.RawMessage
	if err := json.Unmarshal(raw, &both); err != nil {
		return err
	}
	if len(both) != 2 {
		return fmt.Errorf("cls %.40s: want a text and its id", raw)
	}
	return json.Unmarshal(both[1], &c.ID)
}

// TemplatePiece is a special token or a text in a template.
type TemplatePiece struct {
	SpecialToken *TemplateItem `json:"SpecialToken,omitempty"`
	Sequence     *TemplateItem `json:"Sequence,omitempty"`
}

// TemplateItem names a special token, or the text (A) or second text (B) of a pair.
type TemplateItem struct {
	ID     string `json:"id"`
	TypeID int    `json:"type_id"`
}

// TemplateSpecial are the ids for which a special token of a template stands.
type TemplateSpecial struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

// Parse reads a tokenizer.json of any kind; [New] says whether it can be applied. The
// added tokens have the ids that the library gives them.
func Parse(raw []byte) (*File, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("%w: not a tokenizer.json", ErrKind)
	}
	f, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if err := f.assign(); err != nil {
		return nil, err
	}
	return f, f.checkIDs()
}

func parse(raw []byte) (*File, error) {
	if l, ok := readLarge(raw); ok {
		var f File
		if json.Unmarshal(l.rest, &f) == nil {
			l.put(&f)
			return &f, nil
		}
	}
	return parseSlowly(raw)
}

func parseSlowly(raw []byte) (*File, error) {
	var f File
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// Marshal writes the file.
func (f *File) Marshal() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(f)
	return out.Bytes(), err
}

// sequence lists the stages that a stage stands for, nil for none.
func sequence(s *Stage, parts func(*Stage) []Stage) []Stage {
	switch {
	case s == nil:
		return nil
	case s.Type != "Sequence":
		return []Stage{*s}
	}
	var all []Stage
	for _, part := range parts(s) {
		all = append(all, sequence(&part, parts)...)
	}
	return all
}

func isTrue(option *bool) bool { return option != nil && *option }

// unlessFalse is an option that is on where the file does not turn it off.
func unlessFalse(option *bool) bool { return option == nil || *option }

// ByteLevel describes a byte-level BPE whose words are cut by regular expressions,
// one after the other; without any a text is one word.
func ByteLevel(vocab Vocab, merges []Merge, patterns []string, added []AddedToken) *File {
	stage := func(regex bool) *Stage {
		return &Stage{Type: "ByteLevel", AddPrefixSpace: new(bool), TrimOffsets: new(true), UseRegex: new(regex)}
	}
	if merges == nil {
		merges = []Merge{}
	}
	f := &File{
		Version: "1.0", AddedTokens: added, PreTokenizer: stage(false), Decoder: stage(false),
		Model: Model{Type: BPE, Vocab: vocab, Merges: merges},
	}
	var parts []Stage
	for i, p := range patterns {
		if p == words.GPT2 && i == len(patterns)-1 {
			f.PreTokenizer = stage(true)
			break
		}
		parts = append(parts, Stage{Type: "Split", Pattern: &Pattern{Regex: new(p)}, Behavior: "Isolated", Invert: new(bool)})
	}
	if len(parts) > 0 {
		f.PreTokenizer = &Stage{Type: "Sequence", Pretokenizers: append(parts, *f.PreTokenizer)}
	}
	return f
}
