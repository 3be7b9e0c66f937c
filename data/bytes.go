package data

import (
	"bytes"
	"hash"
)

// byteEOS is the id of [EndOfText] in the byte tokenizer.
const byteEOS = 256

type byteTokenizer struct{}

// Bytes returns the byte tokenizer: ids 0 to 255 are the bytes, 256 is
// [EndOfText]. It needs no training and has 257 ids.
func Bytes() Tokenizer { return byteTokenizer{} }

func (t byteTokenizer) Encode(text []byte) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)), text)
}

func (byteTokenizer) AppendEncode(dst []int32, text []byte) []int32 {
	for {
		at := bytes.Index(text, endOfTextBytes)
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

func (byteTokenizer) Decode(ids []int32) []byte {
	out := make([]byte, 0, len(ids))
	for _, id := range ids {
		switch {
		case id >= 0 && id < 256:
			out = append(out, byte(id))
		case id == byteEOS:
			out = append(out, EndOfText...)
		}
	}
	return out
}

func (byteTokenizer) VocabSize() int     { return byteEOS + 1 }
func (byteTokenizer) BOS() (int32, bool) { return byteEOS, true }
func (byteTokenizer) EOS() (int32, bool) { return byteEOS, true }

func (byteTokenizer) Fingerprint() string {
	return fingerprint(func(h hash.Hash) { h.Write([]byte("bytes\x00" + EndOfText)) })
}

func (byteTokenizer) Save(dir string) error {
	return saveTokenizer(dir, tokenizerFile(byteVocabulary(), nil, ""))
}

// cut may fall anywhere outside a special token, which holds no line feed.
func (byteTokenizer) cut(text []byte, from int) int { return cutAtLine(text, from) }
