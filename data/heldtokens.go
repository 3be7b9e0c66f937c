package data

import (
	"context"
	"crypto/sha256"
	"slices"
	"sort"
	"unsafe"

	"mobilellm/tokenizer"
)

// heldDocuments are the tokens of documents that must not be trained on, whatever file
// they come from. What opens and ends a document is no part of it.
type heldDocuments struct {
	edges edges
	kept  map[contentKey]int64 // first tokens of each that may be trained on all the same
	heads map[contentHead]bool // others need no hash
	cuts  map[int]contentKey   // documents of the training side that were cut, as they were
	block []int32
}

// contentKey tells the tokens of documents apart.
type contentKey struct {
	tokens int64
	sum    [sha256.Size]byte
}

// contentHead is what a look at a document's first tokens shows of it.
type contentHead struct {
	tokens int64
	first  [4]int32
}

// edges are the tokens that may stand before and behind a document.
type edges struct {
	ids []int32
	// shared is the token that ends a document and opens the next; None where two do.
	shared int32
}

func edgesOf(tok *tokenizer.Tokenizer) edges {
	s := tok.Special()
	e := edges{append([]int32{s.BOS, s.Start}, s.EOS...), tokenizer.None}
	if end, ok := s.End(); ok && end == s.Start {
		e.shared = end
	}
	return e
}

// at says whether the token at a position is no part of a text.
func (e edges) at(m *TokenCorpus, at int64) bool { return slices.Contains(e.ids, m.token(at)) }

// joins says whether the token at a position ends one document and opens another.
func (e edges) joins(m *TokenCorpus, at int64) bool {
	return e.shared != tokenizer.None && m.token(at) == e.shared
}

// closes says whether document i, the last before other text, begins with the token
// that ends the document before it and has another one at its own end.
func (e edges) closes(m *TokenCorpus, i int) bool {
	start, end := m.docs[i], m.end(i)
	return end-start > 1 && e.joins(m, start) && e.joins(m, end-1)
}

// content is where the tokens of document i lie without what opens and ends it.
func (e edges) content(m *TokenCorpus, i int) (from, to int64) {
	from, to = m.docs[i], m.end(i)
	for from < to && e.at(m, from) {
		from++
	}
	for from < to && e.at(m, to-1) {
		to--
	}
	return from, to
}

func (m *TokenCorpus) token(at int64) int32 {
	var id [1]int32
	m.Read(id[:], at)
	return id[0]
}

// end is the position behind document i.
func (m *TokenCorpus) end(i int) int64 {
	if i+1 < len(m.docs) {
		return m.docs[i+1]
	}
	return m.tokens
}

func newHeldDocuments(e edges) *heldDocuments {
	return &heldDocuments{edges: e, kept: map[contentKey]int64{}, heads: map[contentHead]bool{}, cuts: map[int]contentKey{}, block: make([]int32, 1<<14)}
}

// add holds document i of a corpus out from a position on.
func (h *heldDocuments) add(m *TokenCorpus, i int, from int64) {
	start, end := h.edges.content(m, i)
	if start == end {
		return
	}
	key, kept := h.key(m, start, end), max(from-start, 0)
	if before, ok := h.kept[key]; ok {
		kept = min(kept, before)
	}
	h.kept[key], h.heads[headOf(m, start, end)] = kept, true
}

// addCut holds document i of the training side out from a position on, where it is
// about to be cut.
func (h *heldDocuments) addCut(m *TokenCorpus, i int, at int64) {
	h.add(m, i, at)
	start, end := h.edges.content(m, i)
	h.cuts[i] = h.key(m, start, end)
}

// addCutText is addCut for a text of which the first bytes are documents heads of the
// training side.
func (h *heldDocuments) addCutText(ctx context.Context, e Encoding, s Split, heads []int) error {
	m, err := BuildCorpus(ctx, []Document{*s.Cut}, e)
	if err != nil {
		return err
	}
	start, end := h.edges.content(m, 0)
	kept := sort.Search(int(end-start), func(n int) bool { return m.TextBytes(start, start+int64(n)+1) > int64(s.Kept) })
	h.add(m, 0, start+int64(kept))
	for _, i := range heads {
		h.cuts[i] = h.key(m, start, end)
	}
	return nil
}

// find says whether document i of the training side is held out, and from which
// position on.
func (h *heldDocuments) find(m *TokenCorpus, i int) (from int64, ok bool) {
	start, end := h.edges.content(m, i)
	if key, cut := h.cuts[i]; cut { // perhaps another source holds out more of it
		return start + h.kept[key], h.kept[key] < end-start
	}
	if start == end || !h.heads[headOf(m, start, end)] {
		return 0, false
	}
	kept, ok := h.kept[h.key(m, start, end)]
	return start + kept, ok
}

func headOf(m *TokenCorpus, start, end int64) contentHead {
	head := contentHead{tokens: end - start}
	m.Read(head.first[:min(int64(len(head.first)), end-start)], start)
	return head
}

func (h *heldDocuments) key(m *TokenCorpus, start, end int64) contentKey {
	key := contentKey{tokens: end - start}
	sum := sha256.New()
	for at := start; at < end; at += int64(len(h.block)) {
		part := h.block[:min(int64(len(h.block)), end-at)]
		m.Read(part, at)
		sum.Write(unsafe.Slice((*byte)(unsafe.Pointer(&part[0])), 4*len(part))) // compared within this process only
	}
	sum.Sum(key.sum[:0])
	return key
}
