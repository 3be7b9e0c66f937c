package vocab

import "encoding/json"

// fastClass is the class of Hugging Face's that takes tokenizer.json as it is.
// LlamaTokenizer makes its own of the vocabulary, and treats a blank that begins a
// text differently from SentencePiece.
const fastClass = "PreTrainedTokenizerFast"

// withFastClass is a tokenizer_config.json with that class and all else as it was.
func withFastClass(raw []byte) ([]byte, error) {
	var config map[string]json.RawMessage
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, err
	}
	class, err := json.Marshal(fastClass)
	if err != nil {
		return nil, err
	}
	config["tokenizer_class"] = class
	return indented(config)
}

// marshalConfig returns tokenizer_config.json. Where there is no
// tokenizer.json, the class is the one that reads tokenizer.model.
func (v *Vocabulary) marshalConfig() ([]byte, error) {
	class := fastClass
	if v.Kind == SentencePiece && (len(v.CharsMap) > 0 || v.RemoveExtraBlanks) {
		class = "LlamaTokenizer"
	}
	config := object{{"tokenizer_class", class}}
	config = append(config, v.special()...)
	config = append(config,
		field{"add_bos_token", v.Kind == SentencePiece && v.BOS >= 0}, field{"add_eos_token", false},
		field{"clean_up_tokenization_spaces", false}, field{"legacy", true})
	return indented(config)
}

func (v *Vocabulary) marshalSpecial() ([]byte, error) { return indented(v.special()) }

func (v *Vocabulary) special() object {
	var o object
	for _, s := range []struct {
		key string
		id  int
	}{{"bos_token", v.BOS}, {"eos_token", v.EOS}, {"unk_token", v.Unknown}} {
		if s.id >= 0 {
			o = append(o, field{s.key, v.text(s.id)})
		}
	}
	return o
}
