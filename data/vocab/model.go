package vocab

import (
	"fmt"

	"mobilellm/data/sentencepiece"
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

// marshalModel returns tokenizer.model; nil for vocabularies of another kind.
func (v *Vocabulary) marshalModel() ([]byte, error) {
	if v.Kind != SentencePiece {
		return nil, nil
	}
	if v.Unknown < 0 {
		return nil, fmt.Errorf("the vocabulary has no token for the unknown, which SentencePiece needs")
	}
	w := sentencepiece.Writer{
		Unknown: v.Unknown, BOS: v.BOS, EOS: v.EOS,
		Normalizer: sentencepiece.Normalizer{
			Name: "identity", CharsMap: v.CharsMap, AddDummyPrefix: v.AddPrefix, RemoveExtraBlanks: v.RemoveExtraBlanks, EscapeBlanks: true,
		},
	}
	bytePieces := 0
	for _, t := range v.Tokens {
		w.Pieces = append(w.Pieces, sentencepiece.Piece{Text: t.Text, Score: t.Score, Type: sentencepiece.Type(t.Type)})
		if t.Type == Byte {
			bytePieces++
		}
	}
	w.ByteFallback = bytePieces == 256
	return w.Bytes(), nil
}
