package vocab

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// blank stands for U+0020 in SentencePiece's pieces.
const blank = "\u2581"

// givenJSON is the part of a tokenizer.json that says which tokenizer it is.
type givenJSON struct {
	AddedTokens []struct {
		ID      int    `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	PreTokenizer *givenStage `json:"pre_tokenizer"`
	Normalizer   *givenStage `json:"normalizer"`
	Model        struct {
		Type         string         `json:"type"`
		ByteFallback bool           `json:"byte_fallback"`
		UnkToken     *string        `json:"unk_token"`
		Vocab        map[string]int `json:"vocab"`
		Merges       []givenMerge   `json:"merges"`
	} `json:"model"`
}

type givenStage struct {
	Type           string       `json:"type"`
	Pretokenizers  []givenStage `json:"pretokenizers"`
	Normalizers    []givenStage `json:"normalizers"`
	Pattern        struct{ Regex, String string }
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	PrependScheme  string `json:"prepend_scheme"`
}

// givenMerge is a pair, in older files one string with a blank between.
type givenMerge [2]string

// UnmarshalJSON takes both forms.
func (m *givenMerge) UnmarshalJSON(raw []byte) error {
	var joined string
	if json.Unmarshal(raw, &joined) == nil {
		left, right, ok := strings.Cut(joined, " ")
		if !ok {
			return fmt.Errorf("merge %q has no blank", joined)
		}
		*m = givenMerge{left, right}
		return nil
	}
	var pair []string
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
		return errors.New("a merge is not a pair of tokens")
	}
	*m = givenMerge(pair)
	return nil
}

// ParseJSON reads a Hugging Face tokenizer.json: a byte-level BPE, or one that
// was made from SentencePiece (byte_fallback).
func ParseJSON(raw []byte) (*Vocabulary, error) {
	var g givenJSON
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	if g.Model.Type != "BPE" {
		return nil, fmt.Errorf("model.type %q is not supported: only BPE is", g.Model.Type)
	}
	v := &Vocabulary{BOS: -1, EOS: -1, Unknown: -1, files: map[string][]byte{jsonFile: raw}}
	if err := v.setTokens(&g); err != nil {
		return nil, err
	}
	var err error
	if g.Model.ByteFallback {
		err = v.fromSentencePiece(&g)
	} else {
		err = v.fromByteLevel(&g)
	}
	if err != nil {
		return nil, err
	}
	v.BOS = v.first("<s>", "<|begin_of_text|>", "<|endoftext|>", "<bos>")
	v.EOS = v.first("</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>")
	return v, nil
}

// setTokens lists the vocabulary with what was added to it by id, which must be
// 0, 1, 2, … without a gap.
func (v *Vocabulary) setTokens(g *givenJSON) error {
	texts := make(map[int]Token, len(g.Model.Vocab))
	for text, id := range g.Model.Vocab {
		if other, taken := texts[id]; taken {
			return fmt.Errorf("tokens %q and %q both have id %d", other.Text, text, id)
		}
		texts[id] = Token{Text: text, Type: Normal}
	}
	for _, a := range g.AddedTokens {
		if other, taken := texts[a.ID]; taken && other.Text != a.Content {
			return fmt.Errorf("added token %q has the id %d of %q", a.Content, a.ID, other.Text)
		}
		t := Token{Text: a.Content, Type: UserDefined}
		if a.Special {
			t.Type = Control
		}
		texts[a.ID] = t
	}
	v.Tokens = make([]Token, len(texts))
	for id, t := range texts {
		if id < 0 || id >= len(texts) {
			return fmt.Errorf("token %q has id %d; %d tokens need the ids 0 to %d", t.Text, id, len(texts), len(texts)-1)
		}
		v.Tokens[id] = t
	}
	return nil
}

func (v *Vocabulary) first(texts ...string) int {
	for _, text := range texts {
		for id, t := range v.Tokens {
			if t.Type == Control && t.Text == text {
				return id
			}
		}
	}
	return -1
}

func (v *Vocabulary) fromByteLevel(g *givenJSON) error {
	v.Kind = ByteLevel
	for _, m := range g.Model.Merges {
		v.Merges = append(v.Merges, m)
	}
	stages := []givenStage{}
	if p := g.PreTokenizer; p != nil {
		stages = append(stages, *p)
		if p.Type == "Sequence" {
			stages = p.Pretokenizers
		}
	}
	if g.Normalizer != nil {
		return fmt.Errorf("normalizer %s is not supported with bytes", g.Normalizer.Type)
	}
	if len(stages) == 0 || stages[len(stages)-1].Type != "ByteLevel" {
		return errors.New("pre_tokenizer does not end in ByteLevel")
	}
	last := stages[len(stages)-1]
	if last.AddPrefixSpace == nil || *last.AddPrefixSpace {
		return errors.New("pre_tokenizer ByteLevel with add_prefix_space is not supported")
	}
	switch {
	case len(stages) == 2 && stages[0].Type == "Split":
		v.Pattern = stages[0].Pattern.Regex
	case len(stages) == 1:
	default:
		return fmt.Errorf("pre_tokenizer of %d stages is not supported", len(stages))
	}
	if last.UseRegex == nil || *last.UseRegex {
		if v.Pattern != "" {
			return errors.New("pre_tokenizer with two patterns is not supported")
		}
		v.Pattern = GPT2Pattern
	}
	return nil
}

// The patterns of words that other formats have names for.
const (
	GPT2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	Llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// fromSentencePiece gives back scores: the earlier a token is merged, the higher.
func (v *Vocabulary) fromSentencePiece(g *givenJSON) error {
	v.Kind = SentencePiece
	scores := map[string]float32{}
	for rank, m := range g.Model.Merges {
		if _, known := scores[m[0]+m[1]]; !known {
			scores[m[0]+m[1]] = -float32(rank)
		}
	}
	for id := range v.Tokens {
		t := &v.Tokens[id]
		switch _, isByte := byteOf(t.Text); {
		case g.Model.UnkToken != nil && t.Text == *g.Model.UnkToken:
			t.Type, v.Unknown = Unknown, id
		case isByte && t.Type == Normal:
			t.Type = Byte
		case t.Type == Normal:
			score, merged := scores[t.Text]
			if !merged {
				score = -float32(len(g.Model.Merges))
			}
			t.Score = score
		}
	}
	normal := []givenStage{}
	if n := g.Normalizer; n != nil {
		normal = append(normal, *n)
		if n.Type == "Sequence" {
			normal = n.Normalizers
		}
	}
	for _, n := range normal {
		switch n.Type {
		case "Prepend":
			v.AddPrefix = true
		case "Replace":
		default:
			return fmt.Errorf("normalizer %s is not supported", n.Type)
		}
	}
	if p := g.PreTokenizer; p != nil {
		if p.Type != "Metaspace" {
			return fmt.Errorf("pre_tokenizer %s is not supported with byte_fallback", p.Type)
		}
		v.AddPrefix = p.PrependScheme != "never"
	}
	return nil
}

// byteOf reads the name of a byte's token, like <0x0A>.
func byteOf(text string) (byte, bool) {
	var b byte
	if len(text) != 6 {
		return 0, false
	}
	if n, err := fmt.Sscanf(text, "<0x%02X>", &b); n != 1 || err != nil {
		return 0, false
	}
	return b, fmt.Sprintf("<0x%02X>", b) == text
}
