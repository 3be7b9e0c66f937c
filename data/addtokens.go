package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// load adds a held-out or training source and returns the documents of text.
func (m *TokenCorpus) load(ctx context.Context, e Encoding, s tokenSource, how Reading) (docs []Document, report ReadReport, err error) {
	for i, path := range s.shards {
		if err := ctx.Err(); err != nil {
			return nil, report, fmt.Errorf("reading %s: %w", ingest.Clean(path), err)
		}
		if err := m.addShard(path, e, i > 0); err != nil {
			return nil, report, err
		}
	}
	for _, path := range s.ids {
		if err := m.addIDs(ctx, path, e, &report); err != nil {
			return nil, report, err
		}
	}
	if s.tokens() {
		return nil, report, nil
	}
	if s.Path == GoSourceName {
		_, docs, err = GoSource(ctx)
	} else {
		docs, report, err = ReadSources(ctx, []Source{s.Source}, how)
	}
	if err != nil {
		return nil, report, err
	}
	corpus, err := BuildCorpus(ctx, docs, e)
	if err != nil {
		return nil, report, err
	}
	m.addCorpus(corpus)
	return docs, report, nil
}

// addShard maps a shard, of which it checks every byte, so that a corrupt one, or one
// with ids that the model lacks, is told before training begins; follows says that it
// goes on from the shard that was added last.
func (m *TokenCorpus) addShard(path string, e Encoding, follows bool) error {
	s, err := shard.Open(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	m.closers = append(m.closers, s)
	tok := e.Tokenizer
	if s.Tokenizer != tok.Fingerprint() {
		return fmt.Errorf("data: shard %s was made with tokenizer %s, data.tokenizer is %s\nhint: name the tokenizer that made it, or make shards anew with mobilellm-data tokenize", ingest.Clean(path), s.Tokenizer, tok.Fingerprint())
	}
	if err := s.VerifyWithin(e.vocab()); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if s.Tokens == 0 {
		return nil
	}
	for i := range s.Documents {
		from, to := s.Document(i)
		if to <= from {
			continue
		}
		if !e.Old && s.BOS == shard.None && s.EOS != shard.None && (from > 0 || follows) {
			from-- // the EOS of the document before opens this one
		}
		m.docs = append(m.docs, m.tokens+from)
	}
	m.textBytes += s.TextBytes
	m.print += s.Sum
	m.shards = append(m.shards, s.Sum)
	m.add(segment{short: s.Short(), long: s.Long()})
	return nil
}

// addIDs reads a file of the official code: each line is a document of ids, to
// which nothing is added. Lines that cannot be read are counted in the report.
func (m *TokenCorpus) addIDs(ctx context.Context, path string, e Encoding, report *ReadReport) error {
	in, err := ingest.Open(path, ingest.Options{})
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	defer in.Close()
	tokens, t := segment{}, new(tally)
	if e.Tokenizer.VocabSize() > 1<<16 {
		tokens.long = []uint32{}
	}
	for {
		record, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		var ids []int32
		t.All++
		if ids, record.Err = record.TokenIDs("token_ids"); record.Err != nil {
			t.count(record)
			continue
		}
		if err := e.check(record.Name, ids); err != nil {
			return err
		}
		if len(ids) == 0 {
			t.Empty++
			t.skipped = append(t.skipped, ingest.Skipped{Document: record.Name, Reason: ingest.ReasonEmpty, Detail: "no ids"})
			continue
		}
		m.docs = append(m.docs, m.tokens+tokens.len())
		tokens.append(ids)
	}
	report.Skipped = append(report.Skipped, t.skipped...)
	report.addFile(path, t)
	if tokens.len() == 0 && t.Bad > 0 {
		return fmt.Errorf("data: %w", t.nothing(path))
	}
	if tokens.len() == 0 {
		return nil
	}
	m.print += tokens.sum("")
	m.others = true
	at := m.tokens
	m.add(tokens)
	m.textBytes += m.TextBytes(at, m.tokens)
	return nil
}

// addCorpus appends the tokens of another corpus.
func (m *TokenCorpus) addCorpus(c *TokenCorpus) {
	for _, at := range c.docs {
		m.docs = append(m.docs, m.tokens+at)
	}
	m.addChats(c)
	for _, s := range c.segments {
		m.add(s)
	}
	m.textBytes += c.textBytes
	m.print += c.print
	m.others = true
}

// seal hashes what the parts' fingerprints were gathered to.
func (m *TokenCorpus) seal(tok *tokenizer.Tokenizer) {
	sum := sha256.Sum256([]byte(tok.Fingerprint() + m.print))
	m.print = hex.EncodeToString(sum[:8])
}
