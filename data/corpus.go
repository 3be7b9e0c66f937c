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

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// Corpus is a stream of tokens. [TokenCorpus] is one in memory; sampler, loader
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

// TokenCorpus is a corpus in memory: its own, or that of token shards which are
// mapped. It takes two bytes a token for vocabularies up to 65,536 and four
// above. Documents begin with the token that opens them ([Start]): a BOS, or the EOS
// that ends the one before.
type TokenCorpus struct {
	segments []segment
	tokens   int64

	docs       []int64 // positions where documents begin, with what opens them
	tokenBytes []int32 // by id
	prefix     int64   // bytes that a document's first token counts too much
	textBytes  int64
	print      string
	shards     []string // checksums of the token shards that the tokens are, in order
	others     bool     // some tokens are not from shards
	gaps       bool     // documents were left out before the end

	chats []chatRows   // where the tokens are of conversations, in order
	learn []tokenRange // tokens of these that are supervised, in order

	mixture *mixture // nil: every token counts the same
	parts   []part   // that are sampled by themselves and count the same; nil for one
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

// Encoding says how documents become a corpus.
type Encoding struct {
	Tokenizer *tokenizer.Tokenizer
	// ParseSpecial makes tokens of the texts of special tokens.
	ParseSpecial bool
	// Old is the rule of [StartOld].
	Old bool
	// Vocab is what ids must lie below, such as a model's rows; 0 takes the
	// tokenizer's.
	Vocab int
	// Progress, when not nil, is called with the bytes of text done and in all.
	Progress func(done, total int64)
}

// encoding is the configuration's.
func (c Config) encoding(tok *tokenizer.Tokenizer) Encoding {
	return Encoding{Tokenizer: tok, ParseSpecial: c.parses(tok), Old: c.old()}
}

// vocab is what every id must lie below.
func (e Encoding) vocab() int {
	if e.Vocab > 0 {
		return min(e.Vocab, e.Tokenizer.VocabSize())
	}
	return e.Tokenizer.VocabSize()
}

// check is an error that names an id which the vocabulary does not have.
func (e Encoding) check(name string, ids []int32) error {
	if i := shard.Outside(ids, e.vocab()); i >= 0 {
		return fmt.Errorf("data: %s: id %d is outside the vocabulary of %d", ingest.Clean(name), ids[i], e.vocab())
	}
	return nil
}

// BuildCorpus encodes documents on all processors. Each begins with the token that
// opens it and ends with EOS, where the tokenizer has them; an EOS that opens a
// document is the one that ends the document before it. Errors are no text at all, an
// id outside the vocabulary and ctx's.
func BuildCorpus(ctx context.Context, docs []Document, e Encoding) (*TokenCorpus, error) {
	total := TextBytes(docs)
	if total == 0 {
		return nil, fmt.Errorf("data: no text in %d documents", len(docs))
	}
	tok := e.Tokenizer
	m := newTokenCorpus(tok)
	m.textBytes, m.docs = total, make([]int64, 0, len(docs))
	var tokens segment
	if tok.VocabSize() <= 1<<16 {
		tokens.short = make([]uint16, 0, total/3)
	} else {
		tokens.long = make([]uint32, 0, total/3)
	}
	var opener, ender []int32
	if end, ok := tok.Special().End(); ok {
		ender = []int32{end}
	}
	shares := e.Old || slices.Equal(tok.Opening(), ender) // the ender opens the next
	if shares {
		tokens.append(ender)
	} else {
		opener = tok.Opening()
	}
	begin := func() { // a document begins
		at := tokens.len()
		if shares && !e.Old {
			at -= int64(len(ender))
		}
		m.docs = append(m.docs, at)
		tokens.append(opener)
	}
	begin()
	var done int64
	err := EncodeAll(ctx, tok, docs, e.ParseSpecial, func(doc int, ids []int32, last bool) error {
		if err := e.check(docs[doc].Name, ids); err != nil {
			return err
		}
		tokens.append(ids)
		if !last {
			return nil
		}
		tokens.append(ender)
		if doc+1 < len(docs) {
			begin()
		}
		if done += int64(len(docs[doc].Text)); e.Progress != nil {
			e.Progress(done, total)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("encoding text: %w", err)
	}
	tokens.short, tokens.long = slices.Clip(tokens.short), slices.Clip(tokens.long)
	m.add(tokens)
	print := tok.Fingerprint()
	if !e.Old {
		print += fmt.Sprintf(" opened by %d", tok.Special().Start)
	}
	m.print = tokens.sum(print)
	return m, nil
}

// newTokenCorpus is a corpus without tokens.
func newTokenCorpus(tok *tokenizer.Tokenizer) *TokenCorpus {
	lengths, prefix := tok.TextBytes()
	return &TokenCorpus{tokenBytes: lengths, prefix: int64(prefix)}
}

// add appends a segment.
func (m *TokenCorpus) add(s segment) {
	s.at = m.tokens
	m.segments = append(m.segments, s)
	m.tokens += s.len()
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

func (s *segment) sum(print string) string {
	h := sha256.New()
	h.Write([]byte(print))
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
func (m *TokenCorpus) Len() int64 { return m.tokens }

// Read fills dst with the tokens from position at on.
func (m *TokenCorpus) Read(dst []int32, at int64) {
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
func (m *TokenCorpus) TextBytes(from, to int64) int64 {
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
func (m *TokenCorpus) Close() error {
	var errs []error
	for _, c := range m.closers {
		errs = append(errs, c.Close())
	}
	m.closers = nil
	return errors.Join(errs...)
}

// Bytes is the number of bytes of the documents' text.
func (m *TokenCorpus) Bytes() int64 { return m.textBytes }

// Documents are the positions where documents begin, in order.
func (m *TokenCorpus) Documents() []int64 { return m.docs }

// Fingerprint hashes the tokenizer and all tokens.
func (m *TokenCorpus) Fingerprint() string { return m.print }
