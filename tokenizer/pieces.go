package tokenizer

import (
	"fmt"
	"hash"
	"maps"
	"strings"

	"mobilellm/tokenizer/sentencepiece"
)

// piecesCoder is a SentencePiece model. Its ids and its decoded text are
// SentencePiece's: broken UTF-8 is read as U+FFFD. In ordinary text the names of
// control pieces such as `</s>` are text, as SentencePiece has them.
type piecesCoder struct{ model *sentencepiece.Model }

// FromModel makes a tokenizer of a SentencePiece model.
func FromModel(model *sentencepiece.Model) (*Tokenizer, error) {
	return piecesTokenizer(model, Files{})
}

// piecesTokenizer is a SentencePiece model with the files beside it. A tokenizer.json
// among them says the same as the model, see [loadBoth].
func piecesTokenizer(model *sentencepiece.Model, files Files) (*Tokenizer, error) {
	c := piecesCoder{model}
	own := NoSpecial()
	if id, ok := model.BOS(); ok {
		own.BOS = id
	}
	if id, ok := model.EOS(); ok {
		own.EOS = []int32{id}
	}
	t := &Tokenizer{coder: c, print: fingerprint(func(h hash.Hash) {
		h.Write([]byte("sentencepiece\x00"))
		h.Write(model.File())
	})}
	var err error
	if t.special, err = files.special(c, own); err != nil {
		return nil, err
	}
	if t.special.Start, err = files.startOf(t.special); err != nil {
		return nil, err
	}
	t.files, err = c.complete(files, t.special)
	return t, err
}

// complete adds what tools want and the source lacks: tokenizer.json where the
// model's normalizer can be said in it, tokenizer_config.json and
// special_tokens_map.json.
func (c piecesCoder) complete(files Files, s Special) (Files, error) {
	v := c.vocabulary()
	v.Special = s
	made, err := v.files()
	if err != nil {
		return nil, err
	}
	all := Files{}
	maps.Copy(all, made)
	maps.Copy(all, files)
	all[ModelFile] = c.model.File()
	if files[JSONFile] == nil && all[JSONFile] != nil && files[ConfigFile] != nil {
		if all[ConfigFile], err = withFastClass(files[ConfigFile]); err != nil {
			return nil, fmt.Errorf("%s: %w", ConfigFile, err)
		}
	}
	return all, nil
}

func (c piecesCoder) AppendPart(dst []int32, text []byte, part Part) []int32 {
	if part.Ordinary {
		return c.model.AppendPart(dst, text, part.First, part.Last)
	}
	return c.model.AppendParsed(dst, text, part.First, part.Last)
}

func (c piecesCoder) Decode(ids []int32) []byte { return c.model.Decode(ids) }

// Token is the text of an id in the midst of others, of a control token its name; empty
// for an id that is none.
func (c piecesCoder) Token(id int32) []byte {
	if id < 0 || int(id) >= c.model.Size() {
		return nil
	}
	if text := c.tokenBytes(id); text != nil {
		return text
	}
	return []byte(c.model.Piece(id).Text)
}

func (c piecesCoder) NewDecoder() Decoder { return c.model.NewDecoder() }

func (c piecesCoder) VocabSize() int { return c.model.Size() }

func (c piecesCoder) Cut(text []byte, from int) int { return c.model.Cut(text, from) }

func (c piecesCoder) ID(token string) (int32, bool) { return c.model.ID(token) }

func (c piecesCoder) tokenBytes(id int32) []byte {
	switch piece := c.model.Piece(id); piece.Type {
	case sentencepiece.Control, sentencepiece.Unknown:
		return nil
	case sentencepiece.Byte:
		b, _ := sentencepiece.ByteOf(piece.Text) // checked when the model was read
		return []byte{b}
	default:
		return []byte(strings.ReplaceAll(piece.Text, blank, " "))
	}
}

// textBytes counts a blank as one byte. The dummy prefix of a document is counted
// too.
func (c piecesCoder) textBytes(Special) (lengths []int32, prefix int) {
	lengths = make([]int32, c.model.Size())
	for id := range lengths {
		lengths[id] = int32(len(c.tokenBytes(int32(id))))
	}
	if c.model.Normalizer().AddDummyPrefix {
		prefix = 1
	}
	return lengths, prefix
}

// starting says by tokenizer.json what opens a text. A model whose normalizer has no
// place in that file can be opened by its BOS only, as LlamaTokenizer does it.
func (c piecesCoder) starting(files Files, start int32) (Files, error) {
	if files[JSONFile] == nil {
		return nil, fmt.Errorf("%s is of a kind that no %s was made of: only its BOS can open a text", ModelFile, JSONFile)
	}
	token := ""
	if start != None {
		token = c.model.Piece(start).Text
	}
	return files.withStart(token, start)
}
