package sentencepiece

import (
	"fmt"

	"mobilellm/internal/protowire"
)

// Type is the kind of a piece, with the numbers of the file.
type Type int

// The kinds of pieces.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3 // has an id but stands for no text, like </s>
	UserDefined Type = 4 // cut out of the text wherever it stands
	Unused      Type = 5 // takes part in merging, never in the result
	Byte        Type = 6 // <0x41>
)

// merges says whether pieces of this type take part in merging.
func (t Type) merges() bool { return t == Normal || t == UserDefined || t == Unused }

// Piece is an entry of the vocabulary; its id is its place.
type Piece struct {
	Text  string
	Score float32 // the higher, the earlier two neighbours make this piece
	Type  Type
}

// Normalizer says how text is changed before it is cut in pieces.
type Normalizer struct {
	Name              string // "identity", "nmt_nfkc", …: a label only
	CharsMap          []byte // precompiled rules, empty for none
	AddDummyPrefix    bool   // a blank before the text
	RemoveExtraBlanks bool   // blanks at the ends, and all but one inside
	EscapeBlanks      bool   // U+0020 becomes U+2581
	blankSuffix       bool   // the dummy prefix goes behind the text
}

// BlankSuffix says whether the dummy prefix goes behind the text, and blanks end words.
func (n Normalizer) BlankSuffix() bool { return n.blankSuffix }

// The kinds of TrainerSpec.ModelType that are known here.
const modelKindUnigram, modelKindBPE = 1, 2

var modelKinds = map[int]string{1: "unigram", 2: "bpe", 3: "word", 4: "char"}

// spec is the part of the model's file that decides ids and text.
type spec struct {
	pieces        []Piece
	kind          int
	byteFallback  bool
	blankSuffix   bool
	unkID         int
	bosID         int
	eosID         int
	unkSurface    string
	bosPiece      string
	eosPiece      string
	normalizer    Normalizer
	denormalizing Normalizer
}

// Field numbers of sentencepiece_model.proto, by message.
const (
	modelPieces, modelTrainer, modelNormalizer, modelDenormalizer = 1, 2, 3, 5

	pieceText, pieceScore, pieceType = 1, 2, 3

	trainerPrefix, trainerKind, trainerVocab, trainerCoverage = 2, 3, 4, 10
	trainerMaxPiece, trainerByScript, trainerByBlank          = 20, 21, 22
	trainerByNumber, trainerBlankSuffix, trainerSplitDigits   = 23, 24, 25
	trainerBlankPieces, trainerByteFallback                   = 26, 35
	trainerUnkID, trainerBosID, trainerEosID, trainerPadID    = 40, 41, 42, 43
	trainerUnkSurface, trainerUnkPiece                        = 44, 45
	trainerBosPiece, trainerEosPiece                          = 46, 47

	normalizerName, normalizerMap, normalizerPrefix = 1, 2, 3
	normalizerRemoveExtra, normalizerEscape         = 4, 5
)

func parseSpec(file []byte) (*spec, error) {
	s := &spec{
		kind: 1, unkID: 0, bosID: 1, eosID: 2, unkSurface: " ⁇ ", bosPiece: "<s>", eosPiece: "</s>",
		normalizer:    Normalizer{AddDummyPrefix: true, RemoveExtraBlanks: true, EscapeBlanks: true},
		denormalizing: Normalizer{AddDummyPrefix: true, RemoveExtraBlanks: true, EscapeBlanks: true},
	}
	err := protowire.Each(file, func(f protowire.Field) error {
		switch f.Number {
		case modelPieces:
			piece := Piece{Type: Normal}
			err := protowire.Each(f.Bytes, piece.set)
			if err != nil {
				return fmt.Errorf("piece %d: %w", len(s.pieces), err)
			}
			s.pieces = append(s.pieces, piece)
		case modelTrainer:
			if err := protowire.Each(f.Bytes, s.setTrainer); err != nil {
				return fmt.Errorf("trainer_spec: %w", err)
			}
		case modelNormalizer:
			if err := protowire.Each(f.Bytes, s.normalizer.set); err != nil {
				return fmt.Errorf("normalizer_spec: %w", err)
			}
		case modelDenormalizer:
			if err := protowire.Each(f.Bytes, s.denormalizing.set); err != nil {
				return fmt.Errorf("denormalizer_spec: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.normalizer.blankSuffix = s.blankSuffix
	return s, nil
}

func (p *Piece) set(f protowire.Field) error {
	switch f.Number {
	case pieceText:
		p.Text = string(f.Bytes)
	case pieceScore:
		p.Score = f.Float()
	case pieceType:
		p.Type = Type(int(f.Int()))
	}
	return nil
}

func (s *spec) setTrainer(f protowire.Field) error {
	switch f.Number {
	case trainerKind:
		s.kind = int(f.Int())
	case trainerBlankSuffix:
		s.blankSuffix = f.Bool()
	case trainerByteFallback:
		s.byteFallback = f.Bool()
	case trainerUnkID:
		s.unkID = int(int32(f.Bits))
	case trainerBosID:
		s.bosID = int(int32(f.Bits))
	case trainerEosID:
		s.eosID = int(int32(f.Bits))
	case trainerUnkSurface:
		s.unkSurface = string(f.Bytes)
	case trainerBosPiece:
		s.bosPiece = string(f.Bytes)
	case trainerEosPiece:
		s.eosPiece = string(f.Bytes)
	}
	return nil
}

func (n *Normalizer) set(f protowire.Field) error {
	switch f.Number {
	case normalizerName:
		n.Name = string(f.Bytes)
	case normalizerMap:
		n.CharsMap = f.Bytes
	case normalizerPrefix:
		n.AddDummyPrefix = f.Bool()
	case normalizerRemoveExtra:
		n.RemoveExtraBlanks = f.Bool()
	case normalizerEscape:
		n.EscapeBlanks = f.Bool()
	}
	return nil
}
