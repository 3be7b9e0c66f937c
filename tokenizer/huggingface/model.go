package huggingface

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Model is what makes ids of words.
type Model struct {
	Type         string   `json:"type"` // older files, such as GPT-2's, leave it out
	Dropout      *float64 `json:"dropout"`
	Unknown      *string  `json:"unk_token"`
	Prefix       *string  `json:"continuing_subword_prefix"`
	Suffix       *string  `json:"end_of_word_suffix"`
	FuseUnknown  bool     `json:"fuse_unk"`
	ByteFallback bool     `json:"byte_fallback"`
	IgnoreMerges bool     `json:"ignore_merges"`
	Vocab        Vocab    `json:"vocab"`
	Merges       []Merge  `json:"merges"`

	// Unigram only: the tokens by id, and that of the unknown.
	Pieces    []Piece `json:"-"`
	UnknownID *int    `json:"-"`
}

// The types of models that are known here.
const (
	BPE     = "BPE" // merges pairs
	Unigram = "Unigram"
)

// Piece is a token with the logarithm of its probability.
type Piece struct {
	Text  string
	Score float64
}

// UnmarshalJSON takes a list of text and score.
func (p *Piece) UnmarshalJSON(raw []byte) error {
	var both []json.RawMessage
	if err := json.Unmarshal(raw, &both); err != nil {
		return err
	}
	if len(both) != 2 {
		return fmt.Errorf("vocab: %.40s: want a text and its score", raw)
	}
	if err := json.Unmarshal(both[0], &p.Text); err != nil {
		return err
	}
	if err := json.Unmarshal(both[1], &p.Score); err != nil {
		return err
	}
	p.Score = libraryNumber(string(both[1]), p.Score)
	return nil
}

// UnmarshalJSON reads a model of any type. Where the file does not say which it is, its
// fields do, as in the library: BPE has merges, WordPiece the longest word, Unigram a
// list of tokens.
func (m *Model) UnmarshalJSON(raw []byte) error {
	type plain Model // without this method
	var shape struct {
		*plain
		Vocab     json.RawMessage `json:"vocab"`
		Merges    json.RawMessage `json:"merges"`
		UnknownID *int            `json:"unk_id"`
		Longest   *int            `json:"max_input_chars_per_word"`
	}
	shape.plain = (*plain)(m)
	if err := json.Unmarshal(raw, &shape); err != nil {
		return err
	}
	list := bytes.HasPrefix(shape.Vocab, []byte("["))
	if m.Type == "" {
		switch {
		case list:
			m.Type = Unigram
		case shape.Merges != nil:
			m.Type = BPE
		case shape.Longest != nil:
			m.Type = "WordPiece"
		default:
			m.Type = "WordLevel"
		}
	}
	switch {
	case m.Type != BPE && m.Type != Unigram || shape.Vocab == nil:
		return nil // New says so
	case list != (m.Type == Unigram):
		return fmt.Errorf("model.vocab is not of model.type %s", m.Type)
	case list:
		m.UnknownID = shape.UnknownID
		return m.setPieces(shape.Vocab)
	}
	if err := json.Unmarshal(shape.Vocab, &m.Vocab); err != nil {
		return err
	}
	if shape.Merges == nil {
		return nil
	}
	return m.setMerges(shape.Merges)
}

// setMerges reads the list of merges: a pair, or as in older files one string with a
// blank between its tokens. A value of each is taken first, since a method of a merge's
// own would be called with its text as often as there are merges.
func (m *Model) setMerges(raw []byte) error {
	var list []any
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		return err
	}
	m.Merges = make([]Merge, len(list))
	for i, v := range list {
		var err error
		if m.Merges[i], err = mergeOf(v); err != nil {
			return err
		}
	}
	return nil
}

// setPieces reads the list of a Unigram's tokens. Of two with one text the last counts.
func (m *Model) setPieces(raw []byte) error {
	if err := json.Unmarshal(raw, &m.Pieces); err != nil {
		return err
	}
	m.Vocab = make(Vocab, len(m.Pieces))
	for id, p := range m.Pieces {
		m.Vocab[p.Text] = int32(id)
	}
	return nil
}

// size is the number of tokens that the library counts.
func (m *Model) size() int {
	if m.Pieces != nil {
		return len(m.Pieces)
	}
	return len(m.Vocab)
}

// Vocab is the id of each token's text. It is written in the order of the ids.
type Vocab map[string]int32

// First is the text of the lowest id for which is holds, of several the first by name.
func (v Vocab) First(is func(text string, id int32) bool) (first string, found bool) {
	for text, id := range v {
		if is(text, id) && (!found || id < v[first] || id == v[first] && text < first) {
			first, found = text, true
		}
	}
	return first, found
}

// MarshalJSON writes the tokens by id.
func (v Vocab) MarshalJSON() ([]byte, error) {
	texts := make([]string, 0, len(v))
	for text := range v {
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b string) int { return cmp.Compare(v[a], v[b]) })
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, text := range texts {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := encoder.Encode(text); err != nil {
			return nil, fmt.Errorf("token %q: %w", text, err)
		}
		fmt.Fprintf(&out, ":%d", v[text])
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// Merge is a pair of tokens that are merged.
type Merge [2]string

func mergeOf(v any) (m Merge, err error) {
	switch v := v.(type) {
	case string:
		left, right, ok := strings.Cut(v, " ")
		if !ok || strings.Contains(right, " ") {
			return m, fmt.Errorf("merge %q: want two tokens with a blank between", v)
		}
		return Merge{left, right}, nil
	case []any:
		if len(v) != len(m) {
			return m, fmt.Errorf("merge of %d tokens: want 2", len(v))
		}
		for i, token := range v {
			text, ok := token.(string)
			if !ok {
				return m, fmt.Errorf("merge %.40v: want two strings", v)
			}
			m[i] = text
		}
		return m, nil
	}
	return m, fmt.Errorf("merge %.40v: want two tokens", v)
}
