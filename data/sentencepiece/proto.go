package sentencepiece

import "fmt"

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

// modelKindBPE is TrainerSpec.ModelType's BPE.
const modelKindBPE = 2

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
	err := eachField(file, func(f wireField) error {
		switch f.number {
		case modelPieces:
			piece := Piece{Type: Normal}
			err := eachField(f.bytes, piece.set)
			if err != nil {
				return fmt.Errorf("piece %d: %w", len(s.pieces), err)
			}
			s.pieces = append(s.pieces, piece)
		case modelTrainer:
			if err := eachField(f.bytes, s.setTrainer); err != nil {
				return fmt.Errorf("trainer_spec: %w", err)
			}
		case modelNormalizer:
			if err := eachField(f.bytes, s.normalizer.set); err != nil {
				return fmt.Errorf("normalizer_spec: %w", err)
			}
		case modelDenormalizer:
			if err := eachField(f.bytes, s.denormalizing.set); err != nil {
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

func (p *Piece) set(f wireField) error {
	switch f.number {
	case pieceText:
		p.Text = string(f.bytes)
	case pieceScore:
		p.Score = f.float()
	case pieceType:
		p.Type = Type(f.int())
	}
	return nil
}

func (s *spec) setTrainer(f wireField) error {
	switch f.number {
	case trainerKind:
		s.kind = f.int()
	case trainerBlankSuffix:
		s.blankSuffix = f.bool()
	case trainerByteFallback:
		s.byteFallback = f.bool()
	case trainerUnkID:
		s.unkID = int(int32(f.bits))
	case trainerBosID:
		s.bosID = int(int32(f.bits))
	case trainerEosID:
		s.eosID = int(int32(f.bits))
	case trainerUnkSurface:
		s.unkSurface = string(f.bytes)
	case trainerBosPiece:
		s.bosPiece = string(f.bytes)
	case trainerEosPiece:
		s.eosPiece = string(f.bytes)
	}
	return nil
}

func (n *Normalizer) set(f wireField) error {
	switch f.number {
	case normalizerName:
		n.Name = string(f.bytes)
	case normalizerMap:
		n.CharsMap = f.bytes
	case normalizerPrefix:
		n.AddDummyPrefix = f.bool()
	case normalizerRemoveExtra:
		n.RemoveExtraBlanks = f.bool()
	case normalizerEscape:
		n.EscapeBlanks = f.bool()
	}
	return nil
}
