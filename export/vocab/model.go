package vocab

import (
	"fmt"

	"mobilellm/data/sentencepiece"
	"mobilellm/export/protowire"
)

// ParseModel reads a SentencePiece tokenizer.model of the BPE kind.
func ParseModel(raw []byte) (*Vocabulary, error) {
	m, err := sentencepiece.Parse(raw)
	if err != nil {
		return nil, err
	}
	n := m.Normalizer()
	v := &Vocabulary{
		Kind: SentencePiece, Unknown: int(m.Unknown()), BOS: -1, EOS: -1,
		AddPrefix: n.AddDummyPrefix, RemoveExtraBlanks: n.RemoveExtraBlanks, CharsMap: n.CharsMap,
		files: map[string][]byte{modelFile: raw},
	}
	if id, ok := m.BOS(); ok {
		v.BOS = int(id)
	}
	if id, ok := m.EOS(); ok {
		v.EOS = int(id)
	}
	for id := range m.Size() {
		p := m.Piece(int32(id))
		v.Tokens = append(v.Tokens, Token{p.Text, p.Score, Type(p.Type)})
	}
	return v, nil
}

// Field numbers of sentencepiece_model.proto, by message.
const (
	modelPieces, modelTrainer, modelNormalizer = 1, 2, 3

	pieceText, pieceScore, pieceType = 1, 2, 3

	trainerKind, trainerVocab, trainerByteFallback = 3, 4, 35
	trainerUnk, trainerBOS, trainerEOS, trainerPad = 40, 41, 42, 43
	trainerUnkPiece, trainerBOSPiece               = 45, 46
	trainerEOSPiece                                = 47

	normalizerName, normalizerMap, normalizerPrefix, normalizerExtra, normalizerEscape = 1, 2, 3, 4, 5

	kindBPE = 2
)

// marshalModel returns tokenizer.model; nil for vocabularies of another kind.
func (v *Vocabulary) marshalModel() ([]byte, error) {
	if v.Kind != SentencePiece {
		return nil, nil
	}
	if v.Unknown < 0 {
		return nil, fmt.Errorf("the vocabulary has no token for the unknown, which SentencePiece needs")
	}
	var m protowire.Message
	bytePieces := 0
	for _, t := range v.Tokens {
		var p protowire.Message
		p.String(pieceText, t.Text)
		p.Float(pieceScore, t.Score)
		p.Int(pieceType, int64(t.Type))
		m.Bytes(modelPieces, p)
		if t.Type == Byte {
			bytePieces++
		}
	}
	var trainer protowire.Message
	trainer.Int(trainerKind, kindBPE)
	trainer.Int(trainerVocab, int64(len(v.Tokens)))
	trainer.Bool(trainerByteFallback, bytePieces == 256)
	trainer.Int(trainerUnk, int64(v.Unknown))
	trainer.Int(trainerBOS, int64(v.BOS))
	trainer.Int(trainerEOS, int64(v.EOS))
	trainer.Int(trainerPad, -1)
	trainer.String(trainerUnkPiece, v.text(v.Unknown))
	for _, special := range []struct{ field, id int }{{trainerBOSPiece, v.BOS}, {trainerEOSPiece, v.EOS}} {
		if special.id >= 0 {
			trainer.String(special.field, v.text(special.id))
		}
	}
	m.Bytes(modelTrainer, trainer)
	var normalizer protowire.Message
	normalizer.String(normalizerName, "identity")
	if len(v.CharsMap) > 0 {
		normalizer.Bytes(normalizerMap, v.CharsMap)
	}
	normalizer.Bool(normalizerPrefix, v.AddPrefix)
	normalizer.Bool(normalizerExtra, v.RemoveExtraBlanks)
	normalizer.Bool(normalizerEscape, true)
	m.Bytes(modelNormalizer, normalizer)
	return m, nil
}
