package tokenizer

import (
	"path/filepath"

	"mobilellm/internal/atomicfile"
)

// Values are the ids as JSON configurations have them: nil for none, and an end by
// itself or a list of several.
func (m ModelTokens) Values() (bos, eos, pad any) {
	if m.BOS != None {
		bos = m.BOS
	}
	if m.PAD != None {
		pad = m.PAD
	}
	switch len(m.EOS) {
	case 0:
	case 1:
		eos = m.EOS[0]
	default:
		eos = m.EOS
	}
	return bos, eos, pad
}

// GenerationConfig is a generation_config.json: the tokens at which other tools begin
// and end a text.
func (m ModelTokens) GenerationConfig() []byte {
	bos, eos, pad := m.Values()
	raw, err := indented(struct {
		BOS any `json:"bos_token_id,omitempty"`
		EOS any `json:"eos_token_id,omitempty"`
		PAD any `json:"pad_token_id,omitempty"`
	}{bos, eos, pad})
	if err != nil {
		panic("tokenizer: generation config: " + err.Error())
	}
	return raw
}

// GenerationConfig is the generation_config.json that the tokenizer came with, by which
// other tools generate text, or one of what a config.json said of tokens; nil for
// neither.
func (t *Tokenizer) GenerationConfig() []byte {
	if raw := t.files[GenerationFile]; raw != nil || t.files[modelConfigFile] == nil {
		return raw
	}
	s := t.special
	return ModelTokens{BOS: s.BOS, EOS: s.EOS, PAD: s.PAD}.GenerationConfig()
}

// SaveAlone is [Tokenizer.Save] into a folder that holds no model, the files of which
// say of some tokens what they mean: [Tokenizer.GenerationConfig] does it instead.
func (t *Tokenizer) SaveAlone(dir string) error {
	if err := t.Save(dir); err != nil {
		return err
	}
	raw := t.GenerationConfig()
	if raw == nil {
		return nil
	}
	return atomicfile.Write(filepath.Join(dir, GenerationFile), raw)
}
