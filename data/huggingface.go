package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"

	"mobilellm/data/internal/merge"
)

// HuggingFace is a byte-level BPE as any Hugging Face tokenizer.json describes
// it: GPT-2's, Llama 3's, Qwen's. Its ids are those of the tokenizers library,
// without the special tokens that a post-processor adds; broken UTF-8, which
// that library cannot be given, is kept as it is.
type HuggingFace struct {
	file []byte

	tokens  [][]byte         // by id: what it decodes to; nil for no token
	whole   map[string]int32 // words that are tokens whatever the merges say, see ignore_merges
	byteIDs [256]int32
	rules   merge.Table
	added   *addedTokens
	cutter  wordCutter

	bos, eos int32 // -1 for none
	cache    *wordCache
	seed     maphash.Seed
	print    string
}

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
	t := &HuggingFace{file: file, cache: new(wordCache), seed: maphash.MakeSeed()}
	if err := t.fill(&f); err != nil {
		return nil, err
	}
	var err error
	if t.cutter, err = newWordCutter(f.PreTokenizer); err != nil {
		return nil, err
	}
	if t.added, err = newAddedTokens(f.AddedTokens); err != nil {
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
	AddedTokens  []addedToken     `json:"added_tokens"`
	Normalizer   *json.RawMessage `json:"normalizer"`
	PreTokenizer *preTokenizer    `json:"pre_tokenizer"`
	Decoder      *struct {
		Type string `json:"type"`
	} `json:"decoder"`
	Model struct {
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
	case f.Normalizer != nil && string(*f.Normalizer) != "null":
		return bad("normalizer %s", *f.Normalizer)
	case m.Type != "BPE":
		return bad("model.type %q, want \"BPE\"", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return bad("model.dropout %g", *m.Dropout)
	case m.Prefix != nil && *m.Prefix != "":
		return bad("model.continuing_subword_prefix %q", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return bad("model.end_of_word_suffix %q", *m.Suffix)
	case m.ByteFallback:
		return bad("model.byte_fallback true: only byte-level BPE is read\nhint: use the tokenizer.model beside it")
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
	if f.Model.IgnoreMerges {
		t.whole = make(map[string]int32, len(f.Model.Vocab))
	}
	for text, id := range f.Model.Vocab {
		token, err := unprintable(text)
		if err != nil { // such as an added token that the vocabulary repeats
			token = []byte(text)
		} else if len(token) == 1 {
			t.byteIDs[token[0]] = id
		}
		if t.tokens[id] != nil {
			return fmt.Errorf("tokens %q and %q share id %d", t.tokens[id], token, id)
		}
		t.tokens[id] = token
		if t.whole != nil && err == nil {
			t.whole[string(token)] = id
		}
	}
	for b, id := range t.byteIDs {
		if id < 0 {
			return fmt.Errorf("byte %#02x has no token", b)
		}
	}
	for _, a := range f.AddedTokens {
		t.tokens[a.ID] = []byte(a.Content)
		if token, err := unprintable(a.Content); err == nil {
			t.tokens[a.ID] = token
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
		rules[rank] = merge.Rule{Pair: merge.Key(ids[0], ids[1]), Rank: int32(rank), Joined: ids[2]}
	}
	slices.Reverse(rules) // of two merges of one pair the library keeps the last
	t.rules = merge.NewTable(rules)
	return nil
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
	if id, ok := t.added.ids[string(name)]; ok {
		return id
	}
	return -1
}

// Encode returns the ids of text.
func (t *HuggingFace) Encode(text []byte) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/3+8), text)
}

// AppendEncode appends the ids of text to dst.
func (t *HuggingFace) AppendEncode(dst []int32, text []byte) []int32 {
	t.added.split(text, func(plain []byte, id int32) {
		if id >= 0 {
			dst = append(dst, id)
			return
		}
		t.cutter.words(plain, func(word []byte) { dst = t.appendWord(dst, word) })
	})
	return dst
}

func (t *HuggingFace) appendWord(dst []int32, word []byte) []int32 {
	if len(word) == 1 && t.whole == nil {
		return append(dst, t.byteIDs[word[0]])
	}
	if len(word) > longestCached {
		return t.mergeWord(dst, word)
	}
	slot := t.cache.slot(maphash.Bytes(t.seed, word))
	if known := slot.Load(); known != nil && known.word == string(word) {
		return append(dst, known.ids...)
	}
	start := len(dst)
	dst = t.mergeWord(dst, word)
	slot.Store(&cachedWord{string(word), slices.Clone(dst[start:])})
	return dst
}

func (t *HuggingFace) mergeWord(dst []int32, word []byte) []int32 {
	if id, ok := t.whole[string(word)]; ok {
		return append(dst, id)
	}
	var short [64]int32
	symbols := short[:0]
	for _, c := range word {
		symbols = append(symbols, t.byteIDs[c])
	}
	return t.rules.Apply(dst, symbols)
}

// Decode joins the tokens of ids.
func (t *HuggingFace) Decode(ids []int32) []byte {
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		if id >= 0 && int(id) < len(t.tokens) {
			out = append(out, t.tokens[id]...)
		}
	}
	return out
}

// VocabSize is the number of ids.
func (t *HuggingFace) VocabSize() int { return len(t.tokens) }

// BOS is the token that the files beside tokenizer.json name so.
func (t *HuggingFace) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS is the token that the files beside tokenizer.json name so.
func (t *HuggingFace) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// Fingerprint hashes tokenizer.json and the ids of BOS and EOS.
func (t *HuggingFace) Fingerprint() string { return t.print }

// Save writes tokenizer.json as it was read, and the two files that name BOS
// and EOS.
func (t *HuggingFace) Save(dir string) error {
	special := map[string]any{}
	config := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	for name, id := range map[string]int32{"bos_token": t.bos, "eos_token": t.eos} {
		if id >= 0 {
			special[name], config[name] = t.added.texts[id], t.added.texts[id]
		}
	}
	files := map[string][]byte{"tokenizer.json": t.file}
	for name, value := range map[string]any{"tokenizer_config.json": config, "special_tokens_map.json": special} {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("tokenizer: %s: %w", name, err)
		}
		files[name] = text.Bytes()
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
	}
	return nil
}

// cut finds a blank between two ASCII letters: of the patterns that are known
// to keep it with what follows, and where no added token reaches over.
func (t *HuggingFace) cut(text []byte, from int) int {
	if !t.cutter.cuttable || !t.added.cuttable {
		return len(text)
	}
	isLetter := func(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
	for i := max(from, 1); i+1 < len(text); i++ {
		if text[i] == ' ' && isLetter(text[i-1]) && isLetter(text[i+1]) {
			return i
		}
	}
	return len(text)
}
