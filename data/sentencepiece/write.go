package sentencepiece

// Writer describes a model to be written.
type Writer struct {
	Pieces       []Piece
	Normalizer   Normalizer
	ByteFallback bool
	// Coverage and MaxPiece tell how the pieces were learnt; they do not
	// change ids.
	Coverage float32
	MaxPiece int
	// UnkSurface is what the unknown piece decodes to.
	UnkSurface string
}

// Bytes returns the model's file. Pieces 0, 1 and 2 must be unknown, BOS and
// EOS.
func (w *Writer) Bytes() []byte {
	var file []byte
	for _, p := range w.Pieces {
		message := appendBytes(nil, pieceText, []byte(p.Text))
		message = appendFloat(message, pieceScore, p.Score)
		if p.Type != Normal {
			message = appendInt(message, pieceType, int64(p.Type))
		}
		file = appendBytes(file, modelPieces, message)
	}
	trainer := appendInt(nil, trainerKind, modelKindBPE)
	trainer = appendInt(trainer, trainerVocab, int64(len(w.Pieces)))
	trainer = appendFloat(trainer, trainerCoverage, w.Coverage)
	trainer = appendInt(trainer, trainerMaxPiece, int64(w.MaxPiece))
	trainer = appendBool(trainer, trainerSplitDigits, true)
	trainer = appendBool(trainer, trainerBlankPieces, true)
	trainer = appendBool(trainer, trainerByteFallback, w.ByteFallback)
	trainer = appendInt(trainer, trainerUnkID, 0)
	trainer = appendInt(trainer, trainerBosID, 1)
	trainer = appendInt(trainer, trainerEosID, 2)
	trainer = appendInt(trainer, trainerPadID, -1)
	trainer = appendBytes(trainer, trainerUnkSurface, []byte(w.UnkSurface))
	trainer = appendBytes(trainer, trainerUnkPiece, []byte(w.Pieces[0].Text))
	trainer = appendBytes(trainer, trainerBosPiece, []byte(w.Pieces[1].Text))
	trainer = appendBytes(trainer, trainerEosPiece, []byte(w.Pieces[2].Text))
	file = appendBytes(file, modelTrainer, trainer)

	n := appendBytes(nil, normalizerName, []byte(w.Normalizer.Name))
	n = appendBytes(n, normalizerMap, w.Normalizer.CharsMap)
	n = appendBool(n, normalizerPrefix, w.Normalizer.AddDummyPrefix)
	n = appendBool(n, normalizerRemoveExtra, w.Normalizer.RemoveExtraBlanks)
	n = appendBool(n, normalizerEscape, w.Normalizer.EscapeBlanks)
	return appendBytes(file, modelNormalizer, n)
}
