package tokenizer

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/tokenizer/huggingface"
)

// WithChatTemplate is the same tokenizer with one chat template, which its saved files
// have in place of all others.
func (t *Tokenizer) WithChatTemplate(source string) *Tokenizer {
	other := *t
	other.files = Files{}
	for name, raw := range t.files {
		if filepath.Dir(name) != templatesDir && name != processorTemplateFile {
			other.files[name] = raw
		}
	}
	other.files[templateFile] = []byte(source)
	return &other
}

// IsControl says whether a token is no part of what a text says, such as the end of a
// turn.
func (t *Tokenizer) IsControl(id int32) bool {
	return t.special.BOS == id || t.special.PAD == id || t.special.Ends(id) || len(t.TokenBytes(id)) == 0 && len(t.Token(id)) > 0
}

// AddTokens is the same tokenizer with more special tokens, which texts of [Tokenizer.Encode]
// are cut at; added are the ids of those that it did not have as tokens, in the order of
// names, from its size on.
func (t *Tokenizer) AddTokens(names []string) (other *Tokenizer, added []int32, err error) {
	raw := t.files[JSONFile]
	if raw == nil {
		return nil, nil, fmt.Errorf("tokenizer: no token can be added to a %s of which no %s was made", ModelFile, JSONFile)
	}
	f, err := huggingface.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: %s: %w", JSONFile, err)
	}
	for i, name := range names {
		if strings.TrimSpace(name) == "" || slices.Contains(names[:i], name) {
			return nil, nil, fmt.Errorf("tokenizer: the token to add %q is blank or comes twice", name)
		}
		if ids := t.Encode([]byte(name)); len(ids) == 1 && string(t.Token(ids[0])) == name {
			continue
		}
		id := int32(t.VocabSize() + len(added))
		f.AddedTokens = append(f.AddedTokens, huggingface.AddedToken{ID: id, Content: name, Special: true})
		added = append(added, id)
	}
	if len(added) == 0 {
		return t, nil, nil
	}
	if raw, err = f.Marshal(); err == nil {
		other, err = FromFiles(t.files.with(JSONFile, raw))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: adding %q: %w", names, err)
	}
	other.special = t.special.clone()
	return other, added, nil
}

// Ending is the same tokenizer with a further token that ends a text which is generated;
// its saved files say so.
func (t *Tokenizer) Ending(id int32) (*Tokenizer, error) {
	if t.special.Ends(id) {
		return t, nil
	}
	other := *t
	other.special = t.special.clone()
	other.special.EOS = append(other.special.EOS, id)
	config := map[string]json.RawMessage{}
	if raw := t.files[GenerationFile]; raw != nil {
		if err := json.Unmarshal(raw, &config); err != nil {
			return nil, fmt.Errorf("tokenizer: %s: %w", GenerationFile, err)
		}
	}
	s := other.special
	said := map[string]json.RawMessage{}
	if err := json.Unmarshal((ModelTokens{BOS: s.BOS, EOS: s.EOS, PAD: s.PAD}).GenerationConfig(), &said); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", GenerationFile, err)
	}
	config["eos_token_id"] = said["eos_token_id"]
	for _, key := range []string{"bos_token_id", "pad_token_id"} {
		if config[key] == nil && said[key] != nil {
			config[key] = said[key]
		}
	}
	raw, err := indented(config)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", GenerationFile, err)
	}
	other.files = t.files.with(GenerationFile, raw)
	return &other, nil
}
