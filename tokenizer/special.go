package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"

	"mobilellm/tokenizer/huggingface"
)

// Special says which ids have a meaning of their own.
type Special struct {
	BOS int32   // bos_token; [None] for none
	EOS []int32 // each of them ends a text that is generated; the first ends a document
	PAD int32   // pad_token; [None] for none
	// Start is the token that opens a text, which transformers and llama.cpp put
	// before a prompt; [None] for nothing.
	Start int32
}

// NoSpecial has no special token.
func NoSpecial() Special { return Special{BOS: None, PAD: None, Start: None} }

// End is the token that ends a document.
func (s Special) End() (int32, bool) { return s.end(), len(s.EOS) > 0 }

func (s Special) end() int32 {
	if len(s.EOS) == 0 {
		return None
	}
	return s.EOS[0]
}

// Ends says whether a token ends a text.
func (s Special) Ends(id int32) bool { return slices.Contains(s.EOS, id) }

// OwnBOS says whether the tokenizer has a token that begins texts and ends none, as
// LLaMA's has.
func (s Special) OwnBOS() bool { return s.BOS != None && !s.Ends(s.BOS) }

func (s Special) clone() Special {
	s.EOS = slices.Clone(s.EOS)
	return s
}

// namedTokens are what tokenizer_config.json or special_tokens_map.json say.
type namedTokens struct {
	BOS     tokenName `json:"bos_token"`
	EOS     tokenName `json:"eos_token"`
	PAD     tokenName `json:"pad_token"`
	Unknown tokenName `json:"unk_token"`
	AddBOS  *bool     `json:"add_bos_token"`
}

// tokenName is a token's text.
type tokenName struct {
	text  string
	given bool // the key is there, if with null
}

// UnmarshalJSON accepts a text, an object with it, and null for none.
func (s *tokenName) UnmarshalJSON(raw []byte) error {
	s.given = true
	s.text = ""
	if json.Unmarshal(raw, &s.text) == nil {
		return nil
	}
	var object struct{ Content string }
	err := json.Unmarshal(raw, &object)
	s.text = object.Content
	return err
}

// named reads the names in transformers' order: special_tokens_map.json goes before
// tokenizer_config.json, and is not read where that has an added_tokens_decoder.
func (f Files) named() (namedTokens, error) {
	var config struct {
		Added json.RawMessage `json:"added_tokens_decoder"`
	}
	if raw := f[ConfigFile]; raw != nil {
		if err := json.Unmarshal(raw, &config); err != nil {
			return namedTokens{}, fmt.Errorf("%s: %w", ConfigFile, err)
		}
	}
	if config.Added != nil {
		return f.namedBy(ConfigFile)
	}
	return f.namedBy(ConfigFile, specialMapFile)
}

// namedBy reads the names of files, of which later ones go before.
func (f Files) namedBy(files ...string) (n namedTokens, err error) {
	for _, name := range files {
		if raw := f[name]; raw != nil {
			if err := json.Unmarshal(raw, &n); err != nil {
				return n, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return n, nil
}

// ModelTokens are the token ids that a model's config.json or generation_config.json
// has; an absent one is [None] or empty.
type ModelTokens struct {
	BOS, PAD int32
	EOS      []int32
}

// ParseModelTokens reads bos_token_id, eos_token_id (an id or a list) and
// pad_token_id. Numbers below 0, which some folders have for none, count as absent.
func ParseModelTokens(raw []byte) (ModelTokens, error) {
	var g struct {
		BOS json.RawMessage `json:"bos_token_id"`
		EOS json.RawMessage `json:"eos_token_id"`
		PAD json.RawMessage `json:"pad_token_id"`
	}
	m := ModelTokens{BOS: None, PAD: None}
	if err := json.Unmarshal(raw, &g); err != nil {
		return m, err
	}
	for _, field := range []struct {
		key string
		raw json.RawMessage
		to  *int32
	}{{"bos_token_id", g.BOS, &m.BOS}, {"pad_token_id", g.PAD, &m.PAD}} {
		ids, err := tokenIDs(field.key, field.raw)
		if err != nil {
			return m, err
		}
		if len(ids) > 0 {
			*field.to = ids[0]
		}
	}
	var err error
	m.EOS, err = tokenIDs("eos_token_id", g.EOS)
	return m, err
}

// tokenIDs reads an id, a list of ids, or null.
func tokenIDs(key string, raw json.RawMessage) ([]int32, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var list []int32
	var one int32
	switch {
	case json.Unmarshal(raw, &one) == nil:
		list = []int32{one}
	case json.Unmarshal(raw, &list) != nil:
		return nil, fmt.Errorf("%s (%s) is no token id", key, raw)
	}
	return slices.DeleteFunc(list, func(id int32) bool { return id < 0 }), nil
}

// modelTokens reads those of the folder: generation_config.json's go before
// config.json's.
func (f Files) modelTokens() (ModelTokens, error) {
	m := ModelTokens{BOS: None, PAD: None}
	for _, name := range []string{modelConfigFile, GenerationFile} {
		if f[name] == nil {
			continue
		}
		given, err := ParseModelTokens(f[name])
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		if given.BOS != None {
			m.BOS = given.BOS
		}
		if given.PAD != None {
			m.PAD = given.PAD
		}
		if len(given.EOS) > 0 {
			m.EOS = given.EOS
		}
	}
	return m, nil
}

// special gathers what the files of a folder say of a coder's tokens, as
// transformers does: bos_token, eos_token and pad_token by name from the tokenizer's
// files, or else by number from the model's; what ends a generated text from both.
// own are those that the tokenizer knows by itself, which count where the files have
// no such key, and whose Start its post-processor puts before a text.
func (f Files) special(c coder, own Special) (Special, error) {
	n, err := f.named()
	if err != nil {
		return own, err
	}
	m, err := f.modelTokens()
	if err != nil {
		return own, err
	}
	m = m.Within(c.VocabSize())
	s := Special{BOS: m.BOS, PAD: m.PAD, Start: own.Start}
	var end int32 = None
	for _, token := range []struct {
		name tokenName
		own  int32
		id   *int32
	}{{n.BOS, own.BOS, &s.BOS}, {n.PAD, own.PAD, &s.PAD}, {n.EOS, own.end(), &end}} {
		id, known := c.ID(token.name.text)
		switch {
		case known:
			*token.id = id
		case *token.id == None && !token.name.given:
			*token.id = token.own
		}
	}
	if end != None && (n.EOS.text != "" || len(m.EOS) == 0) {
		s.EOS = []int32{end}
	}
	for _, id := range m.EOS {
		if !slices.Contains(s.EOS, id) {
			s.EOS = append(s.EOS, id)
		}
	}
	return s, nil
}

// startOf is what opens a text by the files of a SentencePiece model: what
// tokenizer.json's post-processor puts there, or without one BOS, as LlamaTokenizer
// does unless add_bos_token is false.
func (f Files) startOf(s Special) (int32, error) {
	if raw := f[JSONFile]; raw != nil {
		file, err := huggingface.Parse(raw)
		if err != nil {
			return None, fmt.Errorf("%s: %w", JSONFile, err)
		}
		return file.Start(), nil
	}
	n, err := f.named()
	if err != nil || n.AddBOS != nil && !*n.AddBOS {
		return None, err
	}
	return s.BOS, nil
}
