package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"mobilellm/data/internal/merge"
)

// HuggingFace is a BPE as any Hugging Face tokenizer.json describes it: of bytes,
// like GPT-2's, Llama 3's and Qwen's, or made from SentencePiece's with bytes for
// what has no token, like Llama 2's. Its ids are those of the tokenizers library,
// without the special tokens that a post-processor adds; broken UTF-8, which
// that library cannot be given, is kept as it is.
type HuggingFace struct {
	file []byte

	tokens  [][]byte         // by id: what it decodes to; nil for no token
	whole   map[string]int32 // words that are tokens whatever the merges say, see ignore_merges
	byteIDs [256]int32
	rules   merge.Table
	cutter  wordCutter // of bytes
	pieces  *metaspace // made from SentencePiece's; nil for bytes

	normalizer normalizer
	added      *addedTokens // found in the text as it is
	normalized *addedTokens // found in what the normalizer makes of the rest
	specials   map[string]int32
	bos, eos   int32 // -1 for none

	cache *merge.Cache
	print string
}

// Encode returns the ids of text.
func (t *HuggingFace) Encode(text []byte) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/3+8), text)
}

// AppendEncode appends the ids of text to dst.
func (t *HuggingFace) AppendEncode(dst []int32, text []byte) []int32 {
	return t.appendPart(dst, text, true, true)
}

// appendPart leaves out the blank before the text where an earlier part has it.
func (t *HuggingFace) appendPart(dst []int32, text []byte, first, _ bool) []int32 {
	t.added.split(text, func(plain []byte, id int32) {
		if id >= 0 {
			dst = append(dst, id)
			return
		}
		opens := &plain[0] == &text[0]
		begins := first && opens
		normal := t.normalizer.apply(plain, opens && !first)
		t.normalized.split(normal, func(rest []byte, id int32) {
			switch {
			case id >= 0:
				dst = append(dst, id)
			case t.pieces != nil:
				t.pieces.words(rest, begins && &rest[0] == &normal[0], func(word []byte) { dst = t.appendWord(dst, word) })
			default:
				t.cutter.words(rest, func(word []byte) { dst = t.appendWord(dst, word) })
			}
		})
	})
	return dst
}

func (t *HuggingFace) appendWord(dst []int32, word []byte) []int32 {
	if len(word) == 1 && t.whole == nil && t.pieces == nil {
		return append(dst, t.byteIDs[word[0]])
	}
	if ids, ok := t.cache.Get(word); ok {
		return append(dst, ids...)
	}
	start := len(dst)
	dst = t.mergeWord(dst, word)
	t.cache.Put(word, dst[start:])
	return dst
}

func (t *HuggingFace) mergeWord(dst []int32, word []byte) []int32 {
	if id, ok := t.whole[string(word)]; ok {
		return append(dst, id)
	}
	var short [64]int32
	symbols := short[:0]
	if t.pieces != nil {
		return t.rules.Apply(dst, t.pieces.appendSymbols(symbols, word, &t.byteIDs))
	}
	for _, c := range word {
		symbols = append(symbols, t.byteIDs[c])
	}
	return t.rules.Apply(dst, symbols)
}

// Decode joins the tokens of ids, without the blank that encoding put before the
// text.
func (t *HuggingFace) Decode(ids []int32) []byte {
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = append(out, t.token(id)...)
	}
	if t.strips() {
		out = bytes.TrimPrefix(out, []byte(" "))
	}
	return out
}

// token is the text of an id in the midst of others.
func (t *HuggingFace) token(id int32) []byte {
	if id < 0 || int(id) >= len(t.tokens) {
		return nil
	}
	return t.tokens[id]
}

// strips says whether a blank that begins a text is taken off.
func (t *HuggingFace) strips() bool { return t.pieces != nil && t.pieces.strip }

// prefixed says whether encoding puts a blank before a text.
func (t *HuggingFace) prefixed() bool {
	return t.pieces != nil && (t.normalizer.prefix || t.pieces.prefix != "never")
}

// tokenBytes is the length of the text of each id, 0 for BOS and EOS.
func (t *HuggingFace) tokenBytes() []int32 {
	lengths := make([]int32, len(t.tokens))
	for id, token := range t.tokens {
		if int32(id) != t.bos && int32(id) != t.eos {
			lengths[id] = int32(len(token))
		}
	}
	return lengths
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
			special[name], config[name] = t.tokenText(id), t.tokenText(id)
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

// tokenText is the name of an added token.
func (t *HuggingFace) tokenText(id int32) string {
	for text, known := range t.specials {
		if known == id {
			return text
		}
	}
	return ""
}

// cut finds a blank between two ASCII letters: of the patterns that are known
// to keep it with what follows, or where no merge reaches over, and where no
// added token does.
func (t *HuggingFace) cut(text []byte, from int) int {
	cuttable := t.cutter.cuttable || t.pieces != nil
	if !cuttable || !t.added.cuttable || !t.normalized.cuttable || !t.normalizer.cuttable {
		return len(text)
	}
	isLetter := func(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
	for i := max(from, 1); i+1 < len(text); i++ {
		if text[i] == ' ' && isLetter(text[i-1]) && isLetter(text[i+1]) && !t.pieces.reaches(text[i-1]) {
			return i
		}
	}
	return len(text)
}
