package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// OpenTokens opens the token shards of a path, a folder or one shard, as one
// corpus. The tokenizer that made them must be tok, and every id below vocab, the
// rows of the model that is to read them.
func OpenTokens(ctx context.Context, path string, tok *tokenizer.Tokenizer, vocab int) (_ *TokenCorpus, err error) {
	source, err := findTokenSource(Source{Path: path})
	if err != nil {
		return nil, err
	}
	if len(source.shards) == 0 {
		return nil, fmt.Errorf("%s holds no token shards\nhint: mobilellm-data tokenize makes them", ingest.Clean(path))
	}
	m := newTokenCorpus(tok)
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if _, _, err := m.load(ctx, Encoding{Tokenizer: tok, Vocab: vocab}, source, Reading{}); err != nil {
		return nil, err
	}
	if m.Len() == 0 {
		return nil, fmt.Errorf("%s: the token shards are empty", ingest.Clean(path))
	}
	m.seal(tok)
	return m, nil
}

// ShardTokenizer is the fingerprint of the tokenizer that made the first token
// shard of a path.
func ShardTokenizer(path string) (string, error) {
	source, err := findTokenSource(Source{Path: path})
	if err != nil || len(source.shards) == 0 {
		return "", errors.Join(err, fmt.Errorf("%s holds no token shards\nhint: mobilellm-data tokenize makes them", ingest.Clean(path)))
	}
	s, err := shard.Open(source.shards[0])
	if err != nil {
		return "", err
	}
	return s.Tokenizer, s.Close()
}

// Gaps says whether documents were left out that are not at the end, as they are held
// out too.
func (m *TokenCorpus) Gaps() bool { return m.gaps }

// StreamSum is the SHA-256, in hex, of the checksums of the token shards that the
// corpus is: it names the tokens and their order. Empty where there are tokens
// from elsewhere too, or documents were left out of the middle. What was set aside at
// the end does not change it.
func (m *TokenCorpus) StreamSum() string {
	if m.gaps || m.others || len(m.shards) == 0 {
		return ""
	}
	h := sha256.New()
	for _, sum := range m.shards {
		h.Write([]byte(sum))
	}
	return hex.EncodeToString(h.Sum(nil))
}
