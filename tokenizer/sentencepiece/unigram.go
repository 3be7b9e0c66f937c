package sentencepiece

import (
	"fmt"
	"math"

	"mobilellm/tokenizer/internal/unigram"
)

// longestPiece bounds the pieces of a unigram model, which are looked for at every place
// of a text.
const longestPiece = 256

// prepareUnigram makes the model by which a text is cut. User-defined pieces are so
// likely that they are always chosen.
func (m *Model) prepareUnigram() error {
	lowest, highest := float32(math.MaxFloat32), float32(0x1p-126)
	for _, p := range m.spec.pieces {
		if p.Type == Normal {
			lowest, highest = min(lowest, p.Score), max(highest, p.Score)
		}
	}
	var pieces []unigram.Piece
	for id, p := range m.spec.pieces {
		piece := unigram.Piece{Text: p.Text, ID: int32(id), Score: float64(p.Score)}
		switch {
		case len(p.Text) > longestPiece:
			return fmt.Errorf("piece %d has %d bytes, more than %d", id, len(p.Text), longestPiece)
		case p.Type == UserDefined:
			piece.Score = float64(float32(float64(float32(len(p.Text))*highest) - 0.1))
		case p.Type != Normal:
			continue
		}
		pieces = append(pieces, piece)
	}
	m.unigram = unigram.New(pieces, m.unk, float64(lowest-unigram.UnknownPenalty))
	m.unigram.Single = true
	return nil
}

// likely encodes normal text by its most likely pieces.
func (e *encoder) likely(text []byte) {
	from := 0
	for _, cut := range e.unigram.Append(nil, text) {
		if cut.ID == e.unk && e.spec.byteFallback {
			for _, b := range text[from:cut.End] {
				e.dst = append(e.dst, e.bytes[b])
			}
		} else {
			e.emit(cut.ID)
		}
		from = cut.End
	}
}

// Unigram says whether the model is of the unigram kind, whose pieces no merges make.
func (m *Model) Unigram() bool { return m.unigram != nil }
