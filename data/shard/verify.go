package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
)

// verifyTokens are hashed and looked at together while they are in the cache.
const verifyTokens = 1 << 17

// Verify reads the whole file once: its checksum must fit, and every token must lie
// below the vocabulary that its header names, since a token is an address in a
// model's memory.
func (s *Shard) Verify() error { return s.VerifyWithin(s.Vocab) }

// VerifyWithin is Verify for tokens that must lie below another vocabulary as well,
// such as a tokenizer's or a model's.
func (s *Shard) VerifyWithin(vocab int) error {
	sum := sha256.New()
	at, foreign := int64(headerSize), int64(-1)
	for from := int64(0); from < s.Tokens; from += verifyTokens {
		n := min(verifyTokens, s.Tokens-from)
		next := at + n*int64(s.Width)
		sum.Write(s.file[at:next])
		at = next
		if foreign >= 0 {
			continue // the checksum is told first
		}
		if i := s.outside(from, n, min(vocab, s.Vocab)); i >= 0 {
			foreign = from + int64(i)
		}
	}
	sum.Write(s.file[at:])
	sum.Write(s.file[:sumAt])
	if got := hex.EncodeToString(sum.Sum(nil)); got != s.Sum {
		return fmt.Errorf("shard %s: %w: checksum %s, its header says %s", s.Path, ErrFormat, got, s.Sum)
	}
	if foreign >= 0 {
		return s.foreignError(foreign, vocab)
	}
	return nil
}

// outside is the place among n tokens from one on of the first that a vocabulary
// does not have, -1 for none.
func (s *Shard) outside(from, n int64, vocab int) int {
	if s.Width == 2 {
		return Outside(s.short[from:from+n], vocab)
	}
	return Outside(s.long[from:from+n], vocab)
}

// foreignError names a token that the header's vocabulary or another one lacks.
func (s *Shard) foreignError(at int64, vocab int) error {
	var id [1]int32
	s.Read(id[:], at)
	token := uint32(id[0])
	document := sort.Search(int(s.Documents), func(i int) bool { return s.End(int64(i)) > at })
	if int64(token) >= int64(s.Vocab) {
		return fmt.Errorf("shard %s: %w: token %d, of document %d, has id %d, outside its vocabulary of %d\nhint: the program that wrote it is at fault; mobilellm-data tokenize makes shards of the text",
			s.Path, ErrFormat, at, document, token, s.Vocab)
	}
	return fmt.Errorf("shard %s: token %d, of document %d, has id %d, outside the vocabulary of %d; the shard's own has %d\nhint: a model needs a row for each id that occurs",
		s.Path, at, document, token, vocab, s.Vocab)
}

// Outside is the place of the first id that a vocabulary of ids from 0 on does not
// have, -1 for none.
func Outside[T int32 | uint16 | uint32](ids []T, vocab int) int {
	var least, largest T
	for _, id := range ids {
		least, largest = min(least, id), max(largest, id)
	}
	if least == 0 && int64(largest) < int64(vocab) || len(ids) == 0 {
		return -1
	}
	return slices.IndexFunc(ids, func(id T) bool { return id < 0 || int64(id) >= int64(vocab) })
}
