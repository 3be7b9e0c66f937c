package sentencepiece

import "mobilellm/internal/protowire"

// Writer describes a model to be written.
type Writer struct {
	Pieces       []Piece
	Unknown      int
	BOS, EOS     int // -1 for none
	Normalizer   Normalizer
	ByteFallback bool
	// Coverage and MaxPiece tell how the pieces were learnt; they do not
	// change ids.
	Coverage float32
	MaxPiece int
	// UnkSurface is what the unknown piece decodes to, empty for SentencePiece's
	// usual text.
	UnkSurface string
}

// Bytes returns the model's file.
func (w *Writer) Bytes() []byte {
	var file, trainer, n protowire.Message
	for _, p := range w.Pieces {
		var piece protowire.Message
		piece.String(pieceText, p.Text)
		piece.Float(pieceScore, p.Score)
		if p.Type != Normal {
			piece.Int(pieceType, int64(p.Type))
		}
		file.Bytes(modelPieces, piece)
	}
	trainer.Int(trainerKind, modelKindBPE)
	trainer.Int(trainerVocab, int64(len(w.Pieces)))
	trainer.Float(trainerCoverage, w.Coverage)
	trainer.Int(trainerMaxPiece, int64(w.MaxPiece))
	trainer.Bool(trainerSplitDigits, true)
	trainer.Bool(trainerBlankPieces, true)
	trainer.Bool(trainerByteFallback, w.ByteFallback)
	trainer.Int(trainerUnkID, int64(w.Unknown))
	trainer.Int(trainerBosID, int64(w.BOS))
	trainer.Int(trainerEosID, int64(w.EOS))
	trainer.Int(trainerPadID, -1)
	if w.UnkSurface != "" {
		trainer.String(trainerUnkSurface, w.UnkSurface)
	}
	for _, special := range []struct{ field, id int }{{trainerUnkPiece, w.Unknown}, {trainerBosPiece, w.BOS}, {trainerEosPiece, w.EOS}} {
		if special.id >= 0 && special.id < len(w.Pieces) {
			trainer.String(special.field, w.Pieces[special.id].Text)
		}
	}
	file.Bytes(modelTrainer, trainer)

	n.String(normalizerName, w.Normalizer.Name)
	n.Bytes(normalizerMap, w.Normalizer.CharsMap)
	n.Bool(normalizerPrefix, w.Normalizer.AddDummyPrefix)
	n.Bool(normalizerRemoveExtra, w.Normalizer.RemoveExtraBlanks)
	n.Bool(normalizerEscape, w.Normalizer.EscapeBlanks)
	file.Bytes(modelNormalizer, n)
	return file
}
