package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"

	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/sentencepiece"
)

// Kind is the way in which a vocabulary cuts text.
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

// Vocabulary is what the formats of other programs keep of a tokenizer: tokens with
// text, score and type, merges where there are such, and the special tokens.
type Vocabulary struct {
	Kind    Kind
	Tokens  []Token
	Special Special
	Unknown int32 // [None] for none

	ChatTemplate string // Jinja's; empty for none

	// Description is the rest of the tokenizer.json that the vocabulary came from,
	// nil where there is nothing that the fields here do not say. They go before it.
	Description []byte

	// ByteLevel only.
	Merges       [][2]string // the first to be done first
	Patterns     []string    // regular expressions that cut words, one after the other
	IgnoreMerges bool        // a word that is a token is that token whatever the merges say

	NFC       bool // text is normalised so before
	AddPrefix bool // a blank is put before the text

	// SentencePiece only.
	RemoveExtraBlanks bool
	CharsMap          []byte // the normalizer's precompiled rules, empty for none
	OddBlanks         bool   // blanks stand behind words, or are no U+2581

	unigram bool // no merges make the tokens; no other program's format has that here
}

// text is the text of a token, empty for [None].
func (v *Vocabulary) text(id int32) string {
	if id < 0 || int(id) >= len(v.Tokens) {
		return ""
	}
	return v.Tokens[id].Text
}

// FromVocabulary makes a tokenizer of a vocabulary.
func FromVocabulary(v *Vocabulary) (*Tokenizer, error) {
	files, err := v.files()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	var t *Tokenizer
	if files[ModelFile] != nil {
		var m *sentencepiece.Model
		if m, err = sentencepiece.Parse(files[ModelFile]); err == nil {
			t, err = piecesTokenizer(m, files)
		}
	} else {
		t, err = loadJSON(files)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t.special = v.Special.clone()
	return t, nil
}

// Vocabulary is what other programs' formats keep of the model.
func (c piecesCoder) Vocabulary() (*Vocabulary, error) {
	v := c.vocabulary()
	if v.unigram {
		return nil, fmt.Errorf("%w: a vocabulary has no place for a unigram model", ErrKind)
	}
	return v, nil
}

func (c piecesCoder) vocabulary() *Vocabulary {
	n := c.model.Normalizer()
	v := &Vocabulary{
		Kind: SentencePiece, Special: NoSpecial(), Unknown: c.model.Unknown(), unigram: c.model.Unigram(),
		AddPrefix: n.AddDummyPrefix, RemoveExtraBlanks: n.RemoveExtraBlanks, CharsMap: n.CharsMap,
		OddBlanks: !n.EscapeBlanks || n.BlankSuffix(),
	}
	for id := range c.model.Size() {
		p := c.model.Piece(int32(id))
		v.Tokens = append(v.Tokens, Token{p.Text, p.Score, Type(p.Type)})
	}
	return v
}

// Vocabulary is what other programs' formats keep of the tokenizer.
func (t *Tokenizer) Vocabulary() (*Vocabulary, error) {
	v, err := t.coder.Vocabulary()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	v.Special = t.special.clone()
	v.ChatTemplate, _ = t.ChatTemplate()
	if v.Unknown == None {
		v.Unknown, err = t.unknown()
	}
	return v, err
}

// unknown is the token that the tokenizer's files name for what has none; [None] for
// none. Byte-level tokenizers name one that never stands in a text.
func (t *Tokenizer) unknown() (int32, error) {
	n, err := t.files.named()
	if err != nil {
		return None, err
	}
	if id, ok := t.ID(n.Unknown.text); ok {
		return id, nil
	}
	return None, nil
}

// files are those of a folder that holds the vocabulary: tokenizer.model for
// SentencePiece, tokenizer.json, tokenizer_config.json, special_tokens_map.json and
// chat_template.jinja. One that came from a tokenizer.json becomes one again.
func (v *Vocabulary) files() (Files, error) {
	files := Files{}
	if v.ChatTemplate != "" {
		files[templateFile] = []byte(v.ChatTemplate)
	}
	var err error
	f := v.file()
	switch {
	case v.Description != nil:
		if f, err = v.described(v.Description); err != nil {
			return nil, fmt.Errorf("%s: %w", JSONFile, err)
		}
	case v.Kind == SentencePiece:
		if files[ModelFile], err = v.modelFile(); err != nil {
			return nil, fmt.Errorf("%s: %w", ModelFile, err)
		}
	}
	if f != nil {
		if files[JSONFile], err = f.Marshal(); err != nil {
			return nil, fmt.Errorf("%s: %w", JSONFile, err)
		}
	}
	if files[ConfigFile], err = v.configFile(); err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigFile, err)
	}
	if files[specialMapFile], err = indented(v.names()); err != nil {
		return nil, fmt.Errorf("%s: %w", specialMapFile, err)
	}
	return files, nil
}

// modelFile returns tokenizer.model.
func (v *Vocabulary) modelFile() ([]byte, error) {
	if v.Unknown == None {
		return nil, fmt.Errorf("the vocabulary has no token for the unknown, which SentencePiece needs")
	}
	w := sentencepiece.Writer{
		Unknown: int(v.Unknown), BOS: int(v.Special.BOS), EOS: int(v.Special.end()),
		Normalizer: sentencepiece.Normalizer{
			Name: "identity", CharsMap: v.CharsMap, AddDummyPrefix: v.AddPrefix, RemoveExtraBlanks: v.RemoveExtraBlanks, EscapeBlanks: true,
		},
	}
	bytePieces := 0
	for _, t := range v.Tokens {
		w.Pieces = append(w.Pieces, sentencepiece.Piece{Text: t.Text, Score: t.Score, Type: sentencepiece.Type(t.Type)})
		if t.Type == Byte {
			bytePieces++
		}
	}
	w.ByteFallback = bytePieces == 256
	return w.Bytes(), nil
}

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

// configFile returns tokenizer_config.json. Where there is no tokenizer.json, the
// class is the one that reads tokenizer.model.
func (v *Vocabulary) configFile() ([]byte, error) {
	config := v.names()
	config["tokenizer_class"] = fastClass
	if v.Kind == SentencePiece && v.file() == nil {
		config["tokenizer_class"] = "LlamaTokenizer"
	}
	config["add_bos_token"] = v.Special.Start != None && v.Special.Start == v.Special.BOS
	config["add_eos_token"], config["clean_up_tokenization_spaces"], config["legacy"] = false, false, true
	return indented(config)
}

func (v *Vocabulary) names() map[string]any {
	names := map[string]any{}
	for key, id := range map[string]int32{
		"bos_token": v.Special.BOS, "eos_token": v.Special.end(), "pad_token": v.Special.PAD, "unk_token": v.Unknown,
	} {
		if id != None {
			names[key] = v.text(id)
		}
	}
	return names
}

func indented(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return out.Bytes(), err
}

// padding is the text of a token that only fills up a model's vocabulary.
func padding(id int) string { return fmt.Sprintf("[PAD%d]", id) }

// vocabularyOf is what other programs' formats keep of a tokenizer.json, without the
// special tokens.
func vocabularyOf(f *huggingface.File) (*Vocabulary, error) {
	if f.Model.Type != huggingface.BPE {
		return nil, fmt.Errorf("a model of type %s has no place in other formats: only %s has", f.Model.Type, huggingface.BPE)
	}
	v := &Vocabulary{Special: NoSpecial(), Unknown: None}
	if err := v.setTokens(f); err != nil {
		return nil, err
	}
	set := v.setByteLevel
	if f.Model.ByteFallback {
		set = v.setPieces
	}
	if err := set(f); err != nil {
		return nil, err
	}
	return v, v.setDescription(f)
}
