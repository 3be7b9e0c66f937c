package prepare

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"unicode/utf8"

	"mobilellm/data/dedup"
	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// Reasons for which documents are left out, beside those of package ingest.
const (
	reasonIDs          = "ids"
	reasonDuplicate    = "duplicate"
	reasonNear         = "near-duplicate"
	reasonContaminated = "contaminated"
)

// verdict is what a worker found out about a record.
type verdict struct {
	reason     string // it is left out for, "" for none
	detail     string
	task       int // that contaminates it
	ids        []int32
	textBytes  int64
	endOfTexts int64            // times that the text holds tokenizer.EndOfText, which is no separator
	broken     bool             // the text has bytes that are not UTF-8
	sum        dedup.Sum        // of a whole document
	signature  *dedup.Signature // of a whole document with words
}

// judged are the documents of records with their verdicts. It is called by many
// workers.
func (p *pipeline) judged(records []item) []item {
	docs := make([]item, 0, len(records))
	var parts []ingest.Record
	for _, it := range records {
		switch {
		case it.fileErr != nil:
		case p.TokenIDs:
			p.judgeIDs(&it)
		default:
			parts = it.AppendDocuments(parts[:0], p.Field, p.Separator)
			for i, part := range parts {
				doc := it
				doc.Record, doc.more = part, i+1 < len(parts)
				p.judge(&doc)
				docs = append(docs, doc)
			}
			continue
		}
		docs = append(docs, it)
	}
	return docs
}

// leaveOut says that the item is left out, and why.
func (it *item) leaveOut(s ingest.Skipped) { it.reason, it.detail = s.Reason, s.Detail }

// judge checks and encodes a document.
func (p *pipeline) judge(it *item) {
	if it.Err != nil {
		it.leaveOut(it.Skip())
		return
	}
	text := it.Text
	it.textBytes = int64(len(text))
	whole := it.First && it.Last
	if len(text) == 0 && whole {
		it.leaveOut(it.Skip())
		return
	}
	if p.Separator == "" {
		it.endOfTexts = int64(bytes.Count(text, []byte(tokenizer.EndOfText)))
	}
	it.broken = !utf8.Valid(text)
	if p.tasks != nil {
		if it.task = p.tasks.Shared(text); it.task >= 0 {
			it.reason, it.detail = reasonContaminated, fmt.Sprintf("shares %d words with %s", dedup.TaskWords, p.tasks.Names[it.task])
			return
		}
	}
	if whole && p.Dedup {
		it.sum = dedup.SumOf(text)
	}
	if whole && p.NearDedup > 0 {
		it.signature, _ = dedup.Sign(text)
	}
	if !it.replayed {
		part := tokenizer.Part{First: it.First, Last: it.Last, Ordinary: !p.ParseSpecial}
		it.ids = p.Tokenizer.AppendPart(make([]int32, 0, len(text)/3+8), text, part)
	}
	if whole || !p.Dedup {
		it.Text = nil
	}
}

func (p *pipeline) judgeIDs(it *item) {
	var ids []int32
	if ids, it.Err = it.TokenIDs(p.Field); it.Err != nil {
		it.leaveOut(it.Skip())
		return
	}
	if i := shard.Outside(ids, p.Tokenizer.VocabSize()); i >= 0 {
		it.reason, it.detail = reasonIDs, fmt.Sprintf("id %d at place %d is outside the vocabulary of %d", ids[i], i, p.Tokenizer.VocabSize())
		return
	}
	if len(ids) == 0 {
		it.reason, it.detail = ingest.ReasonEmpty, "no ids"
		return
	}
	it.ids, it.Text = ids, nil
	it.textBytes = int64(len(p.Tokenizer.Decode(ids)))
}

// memory is what later verdicts depend on. Only one goroutine uses it.
type memory struct {
	exact   dedup.Exact
	near    *dedup.Near
	running hash.Hash // of a document that comes in parts
}

func newMemory(o *Options) *memory {
	m := new(memory)
	if o.Dedup {
		m.exact = make(dedup.Exact)
	}
	if o.NearDedup > 0 {
		m.near = dedup.NewNear(o.NearDedup)
	}
	return m
}

// copies gives a record its verdict in the light of earlier ones.
func (m *memory) copies(it *item) {
	if it.reason != "" || it.fileErr != nil {
		return
	}
	whole := it.First && it.Last
	if m.exact != nil {
		sum := it.sum
		if !whole {
			sum = m.part(it)
		}
		if it.Last && m.exact.Seen(sum) {
			it.reason, it.detail = reasonDuplicate, "the same text came before"
			return
		}
	}
	if m.near != nil && it.signature != nil && m.near.Seen(it.signature) {
		it.reason, it.detail = reasonNear, "much the same text came before"
	}
}

// part adds a part to the hash of its document.
func (m *memory) part(it *item) dedup.Sum {
	if it.First || m.running == nil {
		m.running = sha256.New()
	}
	m.running.Write(it.Text)
	it.Text = nil
	return dedup.Sum(m.running.Sum(nil)[:16])
}
