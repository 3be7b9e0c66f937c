package data

import (
	"bytes"
	"fmt"
	"hash"

	"mobilellm/data/internal/merge"
)

var endOfTextBytes = []byte(EndOfText)

// BPE is a byte-level byte-pair encoding: the text is cut in words, a word
// starts as its bytes, and the pair of neighbours that was learnt first is
// merged until no learnt pair is left.
//
// Sennrich, Haddow, Birch, "Neural machine translation of rare words with
// subword units", 2016; on bytes: Radford et al., 2019.
type BPE struct {
	tokens [][]byte  // by id; the special token's is its text
	merges []joining // in the order learnt
	eos    int32

	byteIDs [256]int32
	rules   merge.Table
	cache   *merge.Cache
	print   string
}

// joining makes a third token of two.
type joining struct{ left, right, joined int32 }

// newBPE builds the tables that encoding needs. It refuses a vocabulary in
// which a byte has no id, and merges whose tokens' bytes do not add up.
func newBPE(tokens [][]byte, merges []joining, eos int32) (*BPE, error) {
	b := &BPE{tokens: tokens, merges: merges, eos: eos, cache: merge.NewCache()}
	var have [256]bool
	for id, token := range tokens {
		if len(token) == 1 && int32(id) != eos {
			b.byteIDs[token[0]] = int32(id)
			have[token[0]] = true
		}
	}
	for c, ok := range have {
		if !ok {
			return nil, fmt.Errorf("byte %#02x has no token", c)
		}
	}
	for rank, m := range merges {
		for _, id := range []int32{m.left, m.right, m.joined} {
			if id < 0 || int(id) >= len(tokens) {
				return nil, fmt.Errorf("merge %d: id %d is outside the vocabulary of %d", rank, id, len(tokens))
			}
		}
		l, r := tokens[m.left], tokens[m.right]
		if j := tokens[m.joined]; !bytes.HasPrefix(j, l) || !bytes.Equal(j[len(l):], r) {
			return nil, fmt.Errorf("merge %d: %q and %q do not make %q", rank, l, r, j)
		}
	}
	b.rules = mergeTable(merges)
	b.print = fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "byte-level bpe\x00%s\x00%s\x00%d\n", wordPattern, EndOfText, eos)
		for _, token := range tokens {
			fmt.Fprintf(h, "%x\n", token)
		}
		for _, m := range merges {
			fmt.Fprintf(h, "%d %d\n", m.left, m.right)
		}
	})
	return b, nil
}

// VocabSize is the number of ids, [EndOfText] included.
func (b *BPE) VocabSize() int { return len(b.tokens) }

// BOS is the id of [EndOfText].
func (b *BPE) BOS() (int32, bool) { return b.eos, true }

// EOS is the id of [EndOfText].
func (b *BPE) EOS() (int32, bool) { return b.eos, true }

// Fingerprint hashes the word pattern, the tokens and the merges.
func (b *BPE) Fingerprint() string { return b.print }

// Encode returns the ids of text.
func (b *BPE) Encode(text []byte) []int32 {
	return b.AppendEncode(make([]int32, 0, len(text)/3+8), text)
}

// AppendEncode appends the ids of text to dst.
func (b *BPE) AppendEncode(dst []int32, text []byte) []int32 {
	for {
		at := bytes.Index(text, endOfTextBytes)
		if at < 0 {
			return b.appendPlain(dst, text)
		}
		dst = append(b.appendPlain(dst, text[:at]), b.eos)
		text = text[at+len(EndOfText):]
	}
}

// appendPlain encodes text that holds no special token.
func (b *BPE) appendPlain(dst []int32, text []byte) []int32 {
	for len(text) > 0 {
		n := nextWord(text)
		dst = b.appendWord(dst, text[:n])
		text = text[n:]
	}
	return dst
}

func (b *BPE) appendWord(dst []int32, word []byte) []int32 {
	if len(word) == 1 {
		return append(dst, b.byteIDs[word[0]])
	}
	if ids, ok := b.cache.Get(word); ok {
		return append(dst, ids...)
	}
	start := len(dst)
	dst = b.mergeWord(dst, word)
	b.cache.Put(word, dst[start:])
	return dst
}

// mergeWord appends the ids of one word to dst.
func (b *BPE) mergeWord(dst []int32, word []byte) []int32 {
	var short [64]int32
	symbols := short[:0]
	for _, c := range word {
		symbols = append(symbols, b.byteIDs[c])
	}
	return b.rules.Apply(dst, symbols)
}

func mergeTable(merges []joining) merge.Table {
	rules := make([]merge.Rule, len(merges))
	for rank, m := range merges {
		rules[rank] = merge.Rule{Pair: merge.Key(m.left, m.right), Rank: int32(rank), Joined: m.joined}
	}
	return merge.NewTable(rules)
}

// Decode joins the tokens of ids.
func (b *BPE) Decode(ids []int32) []byte {
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		if id >= 0 && int(id) < len(b.tokens) {
			out = append(out, b.tokens[id]...)
		}
	}
	return out
}

// Save writes the tokenizer's three files into dir.
func (b *BPE) Save(dir string) error {
	vocab := make([]string, len(b.tokens))
	for id, token := range b.tokens {
		vocab[id] = printable(token)
	}
	vocab[b.eos] = EndOfText
	return saveTokenizer(dir, tokenizerFile(vocab, b.merges, wordPattern))
}

func (b *BPE) cut(text []byte, from int) int { return cutAtLine(text, from) }
