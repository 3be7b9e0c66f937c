package huggingface

import (
	"fmt"
	"math"

	"mobilellm/tokenizer/internal/merge"
	"mobilellm/tokenizer/internal/unigram"
)

// longestPiece bounds the texts of a Unigram's tokens, which are looked for at every
// place of a text.
const longestPiece = 256

// unigramModel makes ids of a word by the most likely way to cut it.
type unigramModel struct {
	vocab   Vocab
	model   *unigram.Model
	byByte  *[256]int32 // byte_fallback; otherwise nil
	unknown int32
	cache   *merge.Cache
}

func newUnigram(m *Model) (*unigramModel, error) {
	if m.UnknownID == nil {
		return nil, fmt.Errorf("%w: model Unigram without unk_id", ErrKind)
	}
	if *m.UnknownID < 0 || *m.UnknownID >= len(m.Pieces) {
		return nil, fmt.Errorf("model.unk_id %d is outside the vocabulary of %d", *m.UnknownID, len(m.Pieces))
	}
	u := &unigramModel{vocab: m.Vocab, unknown: int32(*m.UnknownID), cache: merge.NewCache()}
	lowest := math.Inf(1)
	for _, p := range m.Pieces {
		lowest = min(lowest, p.Score)
	}
	pieces := make([]unigram.Piece, 0, len(m.Vocab))
	if text, long := m.Vocab.First(func(text string, _ int32) bool { return len(text) > longestPiece }); long {
		return nil, fmt.Errorf("token %.40q… has %d bytes, more than %d", text, len(text), longestPiece)
	}
	for text, id := range m.Vocab {
		if text != "" {
			pieces = append(pieces, unigram.Piece{Text: text, ID: id, Score: m.Pieces[id].Score})
		}
	}
	u.model = unigram.New(pieces, u.unknown, lowest-unigram.UnknownPenalty)
	if m.ByteFallback {
		u.byByte = bytesOf(m.Vocab)
	}
	return u, nil
}

func (u *unigramModel) append(dst []int32, word []byte) []int32 {
	if ids, ok := u.cache.Get(word); ok {
		return append(dst, ids...)
	}
	start, from := len(dst), 0
	cuts := u.model.Append(nil, word)
	for i, cut := range cuts {
		if cut.ID == u.unknown && i+1 < len(cuts) && cuts[i+1].ID == u.unknown {
			continue // unknowns in a row are one, which may have a token or bytes
		}
		dst = u.appendPiece(dst, word[from:cut.End])
		from = cut.End
	}
	u.cache.Put(word, dst[start:])
	return dst
}

func (u *unigramModel) appendPiece(dst []int32, piece []byte) []int32 {
	if id, ok := u.vocab[string(piece)]; ok {
		return append(dst, id)
	}
	if ids, ok := appendBytes(dst, piece, u.byByte); ok {
		return ids
	}
	return append(dst, u.unknown)
}
