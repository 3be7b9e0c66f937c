package llama2c

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"mobilellm/internal/regular"
	"mobilellm/tokenizer"
)

// The tokens of llama2.c that have a place of their own.
const (
	unknownID, bosID, eosID = 0, 1, 2

	bosText, eosText = "\n<s>\n", "\n</s>\n" // as its exporter writes them

	firstByte = 3 // id of byte 0
)

const (
	blank        = "\u2581" // SentencePiece's sign for a blank
	maxTokenizer = 64 << 20
	maxPiece     = 1 << 16
)

// WriteTokenizer writes a SentencePiece vocabulary as a tokenizer.bin: the length
// of the longest piece, then each piece's score, length and bytes. The model's
// vocabulary is size; what is missing is filled up with empty pieces.
//
// A byte-level vocabulary is refused: the authors' program finds bytes at ids 3
// to 258 and merges over the whole text.
func WriteTokenizer(w io.Writer, v *tokenizer.Vocabulary, size int) error {
	if v.Kind != tokenizer.SentencePiece {
		return errors.New("llama2.c's tokenizer file has no place for a byte-level vocabulary: its program would cut text differently")
	}
	if v.OddBlanks || len(v.CharsMap) > 0 || v.RemoveExtraBlanks || !v.AddPrefix {
		return errors.New("llama2.c's program puts a blank before a text and changes nothing else, the tokenizer does otherwise")
	}
	end, _ := v.Special.End()
	if v.Special.Start != bosID || end != eosID || v.Unknown != unknownID {
		return fmt.Errorf("llama2.c wants the unknown, beginning and end of a text at ids 0, 1 and 2; they are %d, %d and %d", v.Unknown, v.Special.Start, end)
	}
	for b := range 256 {
		id := firstByte + b
		if id >= len(v.Tokens) || v.Tokens[id].Type != tokenizer.Byte || v.Tokens[id].Text != fmt.Sprintf("<0x%02X>", b) {
			return fmt.Errorf("llama2.c wants byte %#02x at id %d", b, id)
		}
	}
	longest := 0
	pieces := make([]string, max(size, len(v.Tokens)))
	for id := range v.Tokens {
		pieces[id] = pieceText(v, id)
		longest = max(longest, len(pieces[id]))
	}
	raw := binary.LittleEndian.AppendUint32(nil, uint32(longest))
	for id, text := range pieces {
		var score float32
		if id < len(v.Tokens) {
			score = v.Tokens[id].Score
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(score))
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(text)))
		raw = append(raw, text...)
	}
	_, err := w.Write(raw)
	return err
}

func pieceText(v *tokenizer.Vocabulary, id int) string {
	switch id {
	case bosID:
		return bosText
	case eosID:
		return eosText
	}
	return strings.ReplaceAll(v.Tokens[id].Text, blank, " ")
}

// ReadTokenizer reads a tokenizer.bin of a model with size tokens: the file does
// not say how many there are.
func ReadTokenizer(path string, size int) (*tokenizer.Vocabulary, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTokenizer {
		return nil, fmt.Errorf("%s: %d bytes are more than a tokenizer of %d", path, info.Size(), maxTokenizer)
	}
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := ParseTokenizer(raw, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// ParseTokenizer reads a tokenizer.bin from its bytes.
func ParseTokenizer(raw []byte, size int) (*tokenizer.Vocabulary, error) {
	if len(raw) < 4 {
		return nil, fmt.Errorf("truncated: %d bytes", len(raw))
	}
	if size > len(raw)/8 {
		return nil, fmt.Errorf("truncated: %d bytes cannot hold %d pieces", len(raw), size)
	}
	longest := binary.LittleEndian.Uint32(raw)
	if longest > maxPiece {
		return nil, fmt.Errorf("a longest piece of %d bytes is more than %d; is it a tokenizer of llama2.c?", longest, maxPiece)
	}
	v := &tokenizer.Vocabulary{Kind: tokenizer.SentencePiece, Unknown: unknownID, AddPrefix: true}
	v.Special = tokenizer.Special{BOS: bosID, EOS: []int32{eosID}, PAD: tokenizer.None, Start: bosID}
	at := 4
	for id := range size {
		if len(raw)-at < 8 {
			return nil, fmt.Errorf("truncated: %d bytes hold %d of %d pieces", len(raw), id, size)
		}
		score := math.Float32frombits(binary.LittleEndian.Uint32(raw[at:]))
		length := binary.LittleEndian.Uint32(raw[at+4:])
		at += 8
		if length > longest || int64(length) > int64(len(raw)-at) {
			return nil, fmt.Errorf("piece %d of %d bytes is longer than the longest (%d) or the rest of the file (%d)", id, length, longest, len(raw)-at)
		}
		v.Tokens = append(v.Tokens, token(id, string(raw[at:at+int(length)]), score))
		at += int(length)
	}
	if at != len(raw) {
		return nil, fmt.Errorf("%d bytes follow the %d pieces of the model's vocabulary", len(raw)-at, size)
	}
	// Empty pieces at the end only fill up the model's vocabulary.
	for n := len(v.Tokens); n > 0 && v.Tokens[n-1].Type == tokenizer.Unused; n-- {
		v.Tokens = v.Tokens[:n-1]
	}
	return v, nil
}

// token is a piece as SentencePiece has it.
func token(id int, text string, score float32) tokenizer.Token {
	t := tokenizer.Token{Text: strings.ReplaceAll(text, " ", blank), Score: score, Type: tokenizer.Normal}
	switch {
	case id == unknownID:
		t.Type = tokenizer.Unknown
	case id == bosID:
		t = tokenizer.Token{Text: "<s>", Score: score, Type: tokenizer.Control}
	case id == eosID:
		t = tokenizer.Token{Text: "</s>", Score: score, Type: tokenizer.Control}
	case id >= firstByte && id < firstByte+256 && text == fmt.Sprintf("<0x%02X>", id-firstByte):
		t.Type = tokenizer.Byte
	case text == "":
		t = tokenizer.Token{Text: fmt.Sprintf("[PAD%d]", id), Score: score, Type: tokenizer.Unused}
	}
	return t
}
