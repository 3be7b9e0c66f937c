package tokenizer

import (
	"bytes"
	"hash"
	"slices"

	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/internal/words"
)

// byteEOS is the id of [EndOfText] in the byte tokenizer.
const byteEOS = 256

var endOfTextBytes = []byte(EndOfText)

// Bytes returns the byte tokenizer: ids 0 to 255 are the bytes, 256 is [EndOfText],
// which opens and ends texts. It needs no training and has 257 ids.
func Bytes() *Tokenizer {
	files, err := ownFiles(byteCoder{}.file())
	if err != nil {
		panic("tokenizer: bytes: " + err.Error())
	}
	return &Tokenizer{byteCoder{}, ownSpecial(byteEOS), files, bytesPrint()}
}

func bytesPrint() func() string {
	return fingerprint(func(h hash.Hash) { h.Write([]byte("bytes\x00" + EndOfText)) })
}

// byteCoder is a byte-level BPE without merges, for which a text is one word.
type byteCoder struct{}

func (byteCoder) AppendPart(dst []int32, text []byte, part Part) []int32 {
	for {
		at := -1
		if !part.Ordinary {
			at = bytes.Index(text, endOfTextBytes)
		}
		plain := text
		if at >= 0 {
			plain = text[:at]
		}
		for _, b := range plain {
			dst = append(dst, int32(b))
		}
		if at < 0 {
			return dst
		}
		dst = append(dst, byteEOS)
		text = text[at+len(EndOfText):]
	}
}

func (c byteCoder) Decode(ids []int32) []byte {
	out := make([]byte, 0, len(ids))
	for _, id := range ids {
		out = append(out, c.Token(id)...)
	}
	return out
}

// Token is the text of an id.
func (byteCoder) Token(id int32) []byte {
	switch {
	case id >= 0 && id < 256:
		return []byte{byte(id)}
	case id == byteEOS:
		return endOfTextBytes
	}
	return nil
}

func (c byteCoder) NewDecoder() Decoder { return &byteDecoder{token: c.Token} }

func (byteCoder) VocabSize() int { return byteEOS + 1 }

// Cut finds the beginning of a line: the texts of special tokens hold no line feed.
func (byteCoder) Cut(text []byte, from int) int { return words.CutAtLine(text, from) }

func (c byteCoder) ID(token string) (int32, bool) {
	id, ok := c.file().Model.Vocab[token]
	return id, ok
}

func (byteCoder) file() *huggingface.File {
	vocab := make(huggingface.Vocab, byteEOS+1)
	for b := range byteEOS {
		vocab[huggingface.Printable([]byte{byte(b)})] = int32(b)
	}
	vocab[EndOfText] = byteEOS
	return huggingface.ByteLevel(vocab, nil, nil, []huggingface.AddedToken{{ID: byteEOS, Content: EndOfText, Special: true}})
}

func (c byteCoder) Vocabulary() (*Vocabulary, error) { return vocabularyOf(c.file()) }

func (c byteCoder) tokenBytes(id int32) []byte {
	if id == byteEOS {
		return nil
	}
	return c.Token(id)
}

func (c byteCoder) textBytes(Special) (lengths []int32, prefix int) {
	return append(slices.Repeat([]int32{1}, byteEOS), 0), 0
}

func (c byteCoder) starting(files Files, start int32) (Files, error) {
	return startingJSON(files, c.file(), start)
}
