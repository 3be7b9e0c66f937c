package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
)

// Corpus is a stream of tokens. [Memory] is one in memory; sampler, loader
// and held-out batches need no more than this of any other.
type Corpus interface {
	// Len is the number of tokens.
	Len() int64
	// Read fills dst with the tokens from position at on. The caller keeps
	// at+len(dst) within Len.
	Read(dst []int32, at int64)
	// TextBytes is the number of bytes of raw text for which the tokens of
	// [from, to) stand; a separator stands for none.
	TextBytes(from, to int64) int64
	// Fingerprint is a hash, in hex, of the tokenizer and all tokens.
	Fingerprint() string
}

// Memory is a corpus in memory, two bytes a token for vocabularies up to
// 65,536 and four above. Where the tokenizer has an EOS, one stands before
// the first document, where it serves as BOS, and one behind each.
type Memory struct {
	short []uint16
	long  []uint32

	docs       []int64
	tokenBytes []int32 // by id
	textBytes  int64
	print      string
}

// BuildCorpus encodes documents with tok on all processors. progress, which
// may be nil, is called with the bytes of text done and in all. The only
// errors are no text at all and ctx's.
func BuildCorpus(ctx context.Context, docs []Document, tok Tokenizer, progress func(done, total int64)) (*Memory, error) {
	total := TextBytes(docs)
	if total == 0 {
		return nil, fmt.Errorf("data: no text in %d documents", len(docs))
	}
	m := &Memory{tokenBytes: tokenBytes(tok), textBytes: total, docs: make([]int64, 0, len(docs))}
	if tok.VocabSize() <= 1<<16 {
		m.short = make([]uint16, 0, total/3)
	} else {
		m.long = make([]uint32, 0, total/3)
	}
	eos, separate := tok.EOS()
	end := []int32{eos}
	if separate {
		m.append(end)
	}
	m.docs = append(m.docs, m.Len())
	var done int64
	err := EncodeAll(ctx, tok, docs, func(doc int, ids []int32, last bool) error {
		m.append(ids)
		if !last {
			return nil
		}
		if separate {
			m.append(end)
		}
		if doc+1 < len(docs) {
			m.docs = append(m.docs, m.Len())
		}
		if done += int64(len(docs[doc].Text)); progress != nil {
			progress(done, total)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("encoding text: %w", err)
	}
	m.short, m.long = slices.Clip(m.short), slices.Clip(m.long)
	m.print = m.sum(tok.Fingerprint())
	return m, nil
}

// tokenBytes is the length of the text of each id, 0 for BOS and EOS.
func tokenBytes(tok Tokenizer) []int32 {
	if t, ok := tok.(interface{ tokenBytes() []int32 }); ok {
		return t.tokenBytes()
	}
	lengths := make([]int32, tok.VocabSize())
	for id := range lengths {
		lengths[id] = int32(len(tok.Decode([]int32{int32(id)})))
	}
	if id, ok := tok.BOS(); ok {
		lengths[id] = 0
	}
	if id, ok := tok.EOS(); ok {
		lengths[id] = 0
	}
	return lengths
}

func (m *Memory) append(ids []int32) {
	if m.long != nil {
		m.long = appendPacked(m.long, ids)
	} else {
		m.short = appendPacked(m.short, ids)
	}
}

func appendPacked[T uint16 | uint32](dst []T, ids []int32) []T {
	n := len(dst)
	dst = slices.Grow(dst, len(ids))[:n+len(ids)]
	for i, id := range ids {
		dst[n+i] = T(id)
	}
	return dst
}

func (m *Memory) sum(tokenizer string) string {
	h := sha256.New()
	h.Write([]byte(tokenizer))
	hashPacked(h, m.short)
	hashPacked(h, m.long)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func hashPacked[T uint16 | uint32](h hash.Hash, tokens []T) {
	block := make([]byte, 0, 1<<16)
	for chunk := range slices.Chunk(tokens, 1<<14) {
		block, _ = binary.Append(block[:0], binary.LittleEndian, chunk) // integers cannot fail
		h.Write(block)
	}
}

// Len is the number of tokens.
func (m *Memory) Len() int64 { return int64(len(m.short) + len(m.long)) }

// Read fills dst with the tokens from position at on.
func (m *Memory) Read(dst []int32, at int64) {
	if m.long != nil {
		unpack(dst, m.long[at:])
	} else {
		unpack(dst, m.short[at:])
	}
}

func unpack[T uint16 | uint32](dst []int32, tokens []T) {
	for i, t := range tokens[:len(dst)] {
		dst[i] = int32(t)
	}
}

// TextBytes is the number of bytes for which the tokens of [from, to) stand.
func (m *Memory) TextBytes(from, to int64) int64 {
	var n int64
	for at := from; at < to; at++ {
		if m.long != nil {
			n += int64(m.tokenBytes[m.long[at]])
		} else {
			n += int64(m.tokenBytes[m.short[at]])
		}
	}
	return n
}

// Bytes is the number of bytes of the documents' text.
func (m *Memory) Bytes() int64 { return m.textBytes }

// Documents are the positions of the documents' first tokens, in order.
func (m *Memory) Documents() []int64 { return m.docs }

// Fingerprint hashes the tokenizer and all tokens.
func (m *Memory) Fingerprint() string { return m.print }
