package huggingface

import (
	"fmt"
	"slices"

	"mobilellm/tokenizer/internal/merge"
)

// bpe makes ids of a word by merging what its characters stand for.
type bpe struct {
	alphabet
	whole map[string]int32 // words that are tokens whatever the merges say, see ignore_merges
	rules merge.Table
	cache *merge.Cache
}

// newBPE reads a model. bytes says that words are bytes; special are the special tokens.
func newBPE(m *Model, bytes bool, special map[string]bool) (*bpe, error) {
	b := &bpe{cache: merge.NewCache()}
	var err error
	if b.alphabet, err = newAlphabet(m, bytes); err != nil {
		return nil, err
	}
	if m.IgnoreMerges {
		b.whole = wholeWords(m.Vocab, bytes, special)
	}
	rules := make([]merge.Rule, len(m.Merges))
	for rank, p := range m.Merges {
		var ids [3]int32
		for i, text := range [3]string{p[0], p[1], p[0] + p[1]} {
			id, ok := m.Vocab[text]
			if !ok {
				return nil, fmt.Errorf("merge %d: token %q is not in the vocabulary", rank, text)
			}
			ids[i] = id
		}
		rules[rank] = merge.Rule{Pair: merge.Key(ids[0], ids[1]), Rank: int32(rank), Joined: ids[2]}
	}
	slices.Reverse(rules) // of two merges of one pair the library keeps the last
	b.rules = merge.NewTable(rules)
	return b, nil
}

// wholeWords are the tokens that a word may be as a whole. No word is a special token,
// whatever it looks like: that would let a text that users give speak for the model.
func wholeWords(vocab Vocab, bytes bool, special map[string]bool) map[string]int32 {
	whole := make(map[string]int32, len(vocab))
	for text, id := range vocab {
		if special[text] {
			continue
		}
		if !bytes {
			whole[text] = id
		} else if token, err := Unprintable(text); err == nil {
			whole[string(token)] = id
		}
	}
	return whole
}

func (b *bpe) append(dst []int32, word []byte) []int32 {
	if len(word) == 1 && b.byteIDs != nil && b.whole == nil {
		return append(dst, b.byteIDs[word[0]])
	}
	if ids, ok := b.cache.Get(word); ok {
		return append(dst, ids...)
	}
	start := len(dst)
	dst = b.merge(dst, word)
	b.cache.Put(word, dst[start:])
	return dst
}

func (b *bpe) merge(dst []int32, word []byte) []int32 {
	if id, ok := b.whole[string(word)]; ok {
		return append(dst, id)
	}
	var short [64]int32
	symbols := short[:0]
	if b.byteIDs == nil {
		return b.rules.Apply(dst, b.appendSymbols(symbols, word))
	}
	for _, c := range word {
		symbols = append(symbols, b.byteIDs[c])
	}
	return b.rules.Apply(dst, symbols)
}
