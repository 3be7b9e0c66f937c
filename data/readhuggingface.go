package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"mobilellm/data/internal/merge"
)

// loadHuggingFace builds the tokenizer of a tokenizer.json. The files beside
// it say which tokens are BOS and EOS.
func loadHuggingFace(file []byte, dir string) (*HuggingFace, error) {
	var f generalJSON
	if err := json.Unmarshal(file, &f); err != nil {
		return nil, err
	}
	if err := f.unsupported(); err != nil {
		return nil, err
	}
	t := &HuggingFace{file: file, cache: merge.NewCache()}
	var err error
	if f.Model.ByteFallback {
		if t.pieces, err = newMetaspace(f.PreTokenizer); err == nil {
			err = t.pieces.setDecoder(f.Decoder)
		}
	} else {
		t.cutter, err = newWordCutter(f.PreTokenizer)
	}
	if err != nil {
		return nil, err
	}
	if err := t.fill(&f); err != nil {
		return nil, err
	}
	if t.normalizer, err = newNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	if err := t.setAdded(f.AddedTokens); err != nil {
		return nil, err
	}
	special, err := readSpecial(dir)
	if err != nil {
		return nil, err
	}
	t.bos, t.eos = t.special(special.BOS), t.special(special.EOS)
	t.print = fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "tokenizer.json\x00%d\x00%d\x00", t.bos, t.eos)
		h.Write(file)
	})
	return t, nil
}

// generalJSON is the part of tokenizer.json that decides ids.
type generalJSON struct {
	AddedTokens  []addedToken    `json:"added_tokens"`
	Normalizer   *normalizerJSON `json:"normalizer"`
	PreTokenizer *preTokenizer   `json:"pre_tokenizer"`
	Decoder      *decoderJSON    `json:"decoder"`
	Model        struct {
		Type         string           `json:"type"`
		Dropout      *float64         `json:"dropout"`
		Prefix       *string          `json:"continuing_subword_prefix"`
		Suffix       *string          `json:"end_of_word_suffix"`
		IgnoreMerges bool             `json:"ignore_merges"`
		ByteFallback bool             `json:"byte_fallback"`
		Vocab        map[string]int32 `json:"vocab"`
		Merges       []pair           `json:"merges"`
	} `json:"model"`
}

func (f *generalJSON) unsupported() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", errTokenizerKind, fmt.Sprintf(format, args...))
	}
	m := f.Model
	switch {
	case m.Type != "BPE":
		return bad("model.type %q, want \"BPE\"", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return bad("model.dropout %g", *m.Dropout)
	case m.Prefix != nil && *m.Prefix != "":
		return bad("model.continuing_subword_prefix %q", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return bad("model.end_of_word_suffix %q", *m.Suffix)
	case m.ByteFallback && m.IgnoreMerges:
		return bad("model.byte_fallback with model.ignore_merges")
	case m.ByteFallback:
		return nil
	case f.Decoder == nil || f.Decoder.Type != "ByteLevel":
		return bad("decoder is not ByteLevel")
	}
	return nil
}

// fill makes the tables of vocabulary and merges.
func (t *HuggingFace) fill(f *generalJSON) error {
	size := 0
	for text, id := range f.Model.Vocab {
		if id < 0 || id > 1<<24 {
			return fmt.Errorf("token %q has id %d", text, id)
		}
		size = max(size, int(id)+1)
	}
	for _, a := range f.AddedTokens {
		if a.ID < 0 || a.ID > 1<<24 {
			return fmt.Errorf("added token %q has id %d", a.Content, a.ID)
		}
		size = max(size, int(a.ID)+1)
	}
	t.tokens = make([][]byte, size)
	for i := range t.byteIDs {
		t.byteIDs[i] = -1
	}
	if t.pieces != nil {
		if err := t.setPieces(f.Model.Vocab); err != nil {
			return err
		}
	} else if err := t.setBytes(f.Model.Vocab, f.Model.IgnoreMerges); err != nil {
		return err
	}
	for b, id := range t.byteIDs {
		if id < 0 {
			return fmt.Errorf("byte %#02x has no token", b)
		}
	}
	rules := make([]merge.Rule, len(f.Model.Merges))
	for rank, p := range f.Model.Merges {
		var ids [3]int32
		for i, text := range [3]string{p[0], p[1], p[0] + p[1]} {
			id, ok := f.Model.Vocab[text]
			if !ok {
				return fmt.Errorf("merge %d: token %q is not in the vocabulary", rank, text)
			}
			ids[i] = id
		}
		if t.pieces != nil {
			if slices.Contains(t.byteIDs[:], ids[0]) || slices.Contains(t.byteIDs[:], ids[1]) {
				return fmt.Errorf("%w: merge %d joins a byte's token", errTokenizerKind, rank)
			}
			t.pieces.joints.Add(p[0] + p[1])
		}
		rules[rank] = merge.Rule{Pair: merge.Key(ids[0], ids[1]), Rank: int32(rank), Joined: ids[2]}
	}
	slices.Reverse(rules) // of two merges of one pair the library keeps the last
	t.rules = merge.NewTable(rules)
	return nil
}

// setBytes fills the tables of a vocabulary in the byte-level alphabet.
func (t *HuggingFace) setBytes(vocab map[string]int32, whole bool) error {
	if whole {
		t.whole = make(map[string]int32, len(vocab))
	}
	for text, id := range vocab {
		token, err := unprintable(text)
		if err != nil { // such as an added token that the vocabulary repeats
			token = []byte(text)
		} else if len(token) == 1 {
			t.byteIDs[token[0]] = id
		}
		if err := t.setToken(id, token); err != nil {
			return err
		}
		if whole && err == nil {
			t.whole[string(token)] = id
		}
	}
	return nil
}

// setPieces fills them from a vocabulary of SentencePiece's texts.
func (t *HuggingFace) setPieces(vocab map[string]int32) error {
	for text, id := range vocab {
		if err := t.setToken(id, t.pieces.text(text)); err != nil {
			return err
		}
		if r, width := utf8.DecodeRuneInString(text); width == len(text) {
			t.pieces.chars[r] = id
		}
	}
	for b, name := range t.pieces.byteName {
		if id, ok := vocab[name]; ok {
			t.byteIDs[b], t.tokens[id] = id, []byte{byte(b)}
		}
	}
	return nil
}

func (t *HuggingFace) setToken(id int32, token []byte) error {
	if t.tokens[id] != nil {
		return fmt.Errorf("tokens %q and %q share id %d", t.tokens[id], token, id)
	}
	t.tokens[id] = token
	return nil
}

// tokenBytesOf is what an added token decodes to.
func (t *HuggingFace) tokenBytesOf(text string) []byte {
	if t.pieces != nil {
		return t.pieces.text(text)
	}
	if token, err := unprintable(text); err == nil {
		return token
	}
	return []byte(text)
}

// setAdded sorts the added tokens into those that are looked for in the text and
// those that are looked for, normalized themselves, in normalized text.
func (t *HuggingFace) setAdded(tokens []addedToken) (err error) {
	t.specials = make(map[string]int32, len(tokens))
	var plain, normalized []addedToken
	for _, a := range tokens {
		t.specials[a.Content] = a.ID
		if a.Normalized {
			a.Content = string(t.normalizer.apply([]byte(a.Content), false))
			normalized = append(normalized, a)
		} else {
			plain = append(plain, a)
		}
		t.tokens[a.ID] = t.tokenBytesOf(a.Content) // normalized, as the library has it
	}
	if t.added, err = newAddedTokens(plain); err != nil {
		return err
	}
	t.normalized, err = newAddedTokens(normalized)
	return err
}

// specialTokens are named in tokenizer_config.json or special_tokens_map.json.
type specialTokens struct {
	BOS specialToken `json:"bos_token"`
	EOS specialToken `json:"eos_token"`
}

// specialToken is a text, or an object with it.
type specialToken string

// UnmarshalJSON accepts both, and null.
func (s *specialToken) UnmarshalJSON(text []byte) error {
	var object struct{ Content string }
	if json.Unmarshal(text, (*string)(s)) == nil {
		return nil
	}
	err := json.Unmarshal(text, &object)
	*s = specialToken(object.Content)
	return err
}

func readSpecial(dir string) (special specialTokens, err error) {
	for _, name := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return special, err
		}
		if err := json.Unmarshal(text, &special); err != nil {
			return special, fmt.Errorf("%s: %w", name, err)
		}
	}
	return special, nil
}

// special is the id of an added token; where none is named that of the usual
// one, EndOfText.
func (t *HuggingFace) special(name specialToken) int32 {
	if name == "" {
		name = EndOfText
	}
	if id, ok := t.specials[string(name)]; ok {
		return id
	}
	return -1
}
