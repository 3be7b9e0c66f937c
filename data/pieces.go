package data

import (
	"fmt"
	"hash"
	"os"
	"strings"

	"mobilellm/data/sentencepiece"
	"mobilellm/data/vocab"
)

// piecesFile is the name under which Hugging Face folders keep a
// SentencePiece model.
const piecesFile = "tokenizer.model"

// Pieces is a SentencePiece BPE model as a tokenizer. Its ids and its decoded
// text are SentencePiece's: broken UTF-8 is read as U+FFFD, and the names of
// control pieces such as `</s>` in a text are text.
type Pieces struct {
	model *sentencepiece.Model
	print string
}

// LoadPieces reads a SentencePiece model.
func LoadPieces(path string) (*Pieces, error) {
	model, err := sentencepiece.Open(path)
	if err != nil {
		return nil, err
	}
	return NewPieces(model), nil
}

// NewPieces makes a tokenizer of a model.
func NewPieces(model *sentencepiece.Model) *Pieces {
	return &Pieces{model, fingerprint(func(h hash.Hash) {
		h.Write([]byte("sentencepiece\x00"))
		h.Write(model.File())
	})}
}

// Model is the SentencePiece model.
func (p *Pieces) Model() *sentencepiece.Model { return p.model }

// Encode returns the ids of text.
func (p *Pieces) Encode(text []byte) []int32 { return p.model.Encode(text) }

// AppendEncode appends the ids of text to dst.
func (p *Pieces) AppendEncode(dst []int32, text []byte) []int32 {
	return p.model.AppendEncode(dst, text)
}

// Decode returns the text of ids.
func (p *Pieces) Decode(ids []int32) []byte { return p.model.Decode(ids) }

// VocabSize is the number of pieces.
func (p *Pieces) VocabSize() int { return p.model.Size() }

// BOS is the id of the model's BOS piece, such as `<s>`.
func (p *Pieces) BOS() (int32, bool) { return p.model.BOS() }

// EOS is the id of the model's EOS piece, such as `</s>`.
func (p *Pieces) EOS() (int32, bool) { return p.model.EOS() }

// Fingerprint hashes the model's file.
func (p *Pieces) Fingerprint() string { return p.print }

// Save writes tokenizer.model as it was read, with the files by which Hugging
// Face's tools give the same ids: tokenizer.json where the model's normaliser can
// be said in it, tokenizer_config.json and special_tokens_map.json.
func (p *Pieces) Save(dir string) error {
	v, err := vocab.ParseModel(p.model.File())
	if err == nil {
		err = v.SaveFolder(dir)
	}
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	return nil
}

func (p *Pieces) cut(text []byte, from int) int { return p.model.Cut(text, from) }

func (p *Pieces) appendPart(dst []int32, text []byte, first, last bool) []int32 {
	return p.model.AppendPart(dst, text, first, last)
}

// tokenBytes is the length of the text of each piece, a blank counting one
// byte; 0 for control pieces. The dummy prefix of a document is counted too.
func (p *Pieces) tokenBytes() []int32 {
	lengths := make([]int32, p.model.Size())
	for id := range lengths {
		switch piece := p.model.Piece(int32(id)); piece.Type {
		case sentencepiece.Control, sentencepiece.Unknown:
		case sentencepiece.Byte:
			lengths[id] = 1
		default:
			lengths[id] = int32(len(strings.ReplaceAll(piece.Text, "▁", " ")))
		}
	}
	return lengths
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
