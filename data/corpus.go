package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sort"
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

// Memory is a corpus in memory: its own, or that of token shards which are
// mapped. It takes two bytes a token for vocabularies up to 65,536 and four
// above. Where the tokenizer has an EOS, one stands before the first document
// that was encoded here, where it serves as BOS, and one behind each.
type Memory struct {
	segments []segment
	tokens   int64

	docs       []int64 // positions of first tokens
	tokenBytes []int32 // by id
	prefix     int64   // bytes that a document's first token counts too much
	textBytes  int64
	print      string
	shards     []string // checksums of the token shards that the tokens are, in order
	others     bool     // some tokens are not from shards

	mixture *mixture // nil: every token counts the same
	closers []io.Closer
}

// segment is a run of tokens that lie side by side in memory.
type segment struct {
	at    int64 // position of its first token
	short []uint16
	long  []uint32
}

func (s *segment) len() int64 { return int64(len(s.short) + len(s.long)) }

func (s *segment) read(dst []int32, at int64) {
	if s.long != nil {
		unpack(dst, s.long[at:])
	} else {
		unpack(dst, s.short[at:])
	}
}

// BuildCorpus encodes documents with tok on all processors. progress, which
// may be nil, is called with the bytes of text done and in all. The only
// errors are no text at all and ctx's.
func BuildCorpus(ctx context.Context, docs []Document, tok Tokenizer, progress func(done, total int64)) (*Memory, error) {
	total := TextBytes(docs)
	if total == 0 {
		return nil, fmt.Errorf("data: no text in %d documents", len(docs))
	}
	m := newMemory(tok)
	m.textBytes, m.docs = total, make([]int64, 0, len(docs))
	var tokens segment
	if tok.VocabSize() <= 1<<16 {
		tokens.short = make([]uint16, 0, total/3)
	} else {
		tokens.long = make([]uint32, 0, total/3)
	}
	eos, separate := tok.EOS()
	end := []int32{eos}
	if separate {
		tokens.append(end)
	}
	m.docs = append(m.docs, tokens.len())
	var done int64
	err := EncodeAll(ctx, tok, docs, func(doc int, ids []int32, last bool) error {
		tokens.append(ids)
		if !last {
			return nil
		}
		if separate {
			tokens.append(end)
		}
		if doc+1 < len(docs) {
			m.docs = append(m.docs, tokens.len())
		}
		if done += int64(len(docs[doc].Text)); progress != nil {
			progress(done, total)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("encoding text: %w", err)
	}
	tokens.short, tokens.long = slices.Clip(tokens.short), slices.Clip(tokens.long)
	m.add(tokens)
	m.print = tokens.sum(tok.Fingerprint())
	return m, nil
}

// newMemory is a corpus without tokens.
func newMemory(tok Tokenizer) *Memory {
	m := &Memory{tokenBytes: tokenBytes(tok)}
	if p, ok := tok.(*Pieces); ok && p.model.Normalizer().AddDummyPrefix {
		m.prefix = 1
	}
	if t, ok := tok.(*HuggingFace); ok && t.prefixed() {
		m.prefix = 1
	}
	return m
}

// add appends a segment.
func (m *Memory) add(s segment) {
	s.at = m.tokens
	m.segments = append(m.segments, s)
	m.tokens += s.len()
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

func (s *segment) append(ids []int32) {
	if s.long != nil {
		s.long = appendPacked(s.long, ids)
	} else {
		s.short = appendPacked(s.short, ids)
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

func (s *segment) sum(tokenizer string) string {
	h := sha256.New()
	h.Write([]byte(tokenizer))
	hashPacked(h, s.short)
	hashPacked(h, s.long)
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
func (m *Memory) Len() int64 { return m.tokens }

// Read fills dst with the tokens from position at on.
func (m *Memory) Read(dst []int32, at int64) {
	i := sort.Search(len(m.segments), func(i int) bool { return m.segments[i].at > at }) - 1
	for ; len(dst) > 0; i++ {
		s := &m.segments[i]
		n := min(int64(len(dst)), s.at+s.len()-at)
		s.read(dst[:n], at-s.at)
		dst, at = dst[n:], at+n
	}
}

func unpack[T uint16 | uint32](dst []int32, tokens []T) {
	for i, t := range tokens[:len(dst)] {
		dst[i] = int32(t)
	}
}

// TextBytes is the number of bytes for which the tokens of [from, to) stand.
func (m *Memory) TextBytes(from, to int64) int64 {
	first, _ := slices.BinarySearch(m.docs, from)
	last, _ := slices.BinarySearch(m.docs, to)
	n := -m.prefix * int64(last-first)
	block := make([]int32, min(to-from, 1<<12))
	for at := from; at < to; at += int64(len(block)) {
		block = block[:min(int64(len(block)), to-at)]
		m.Read(block, at)
		for _, id := range block {
			if int(id) < len(m.tokenBytes) {
				n += int64(m.tokenBytes[id])
			}
		}
	}
	return n
}

// Close gives shards that are mapped back. Neither the corpus nor the held-out
// side that was split from it may be read after, so close their loaders first.
func (m *Memory) Close() error {
	var errs []error
	for _, c := range m.closers {
		errs = append(errs, c.Close())
	}
	m.closers = nil
	return errors.Join(errs...)
}

// Bytes is the number of bytes of the documents' text.
func (m *Memory) Bytes() int64 { return m.textBytes }

// Documents are the positions of the documents' first tokens, in order.
func (m *Memory) Documents() []int64 { return m.docs }

// Fingerprint hashes the tokenizer and all tokens.
func (m *Memory) Fingerprint() string { return m.print }
