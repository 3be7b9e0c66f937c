package shard

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	// Magic opens every shard.
	Magic = "MLLMTOKS"
	// Version is the version of the format that this package writes.
	Version = 1
	// Extension ends a shard's name.
	Extension = ".tok"

	headerSize = 128
	sumAt      = 96 // the checksum fills the rest of the header
)

// ErrFormat marks a file that is no shard, or a broken one.
var ErrFormat = errors.New("not a sound token shard")

// None stands for a special token that the tokens do not use.
const None = -1

// Meta is what a shard says of its tokens beside the tokens.
type Meta struct {
	Width     int    // bytes a token: 2 or 4
	Vocab     int    // ids are below it
	BOS, EOS  int32  // ids that open and end each document, or None
	Tokenizer string // fingerprint, 16 hex digits
}

// Info counts what a shard holds.
type Info struct {
	Meta
	Tokens    int64
	Documents int64
	TextBytes int64  // of the documents before they were encoded
	Sum       string // SHA-256 in hex
}

// Start is the id that opens documents: the one before each, or else the one behind
// the document before it.
func (m *Meta) Start() int32 {
	if m.BOS != None {
		return m.BOS
	}
	return m.EOS
}

// maxVocab keeps ids within int32.
const maxVocab = 1 << 30

// check reports the first number that no shard can have.
func (m *Meta) check() error {
	switch {
	case m.Width != 2 && m.Width != 4:
		return fmt.Errorf("%d bytes a token, want 2 or 4", m.Width)
	case m.Vocab < 1 || m.Vocab > maxVocab:
		return fmt.Errorf("vocabulary of %d", m.Vocab)
	}
	for _, token := range []struct {
		name string
		id   int32
	}{{"BOS", m.BOS}, {"EOS", m.EOS}} {
		if token.id != None && (token.id < 0 || int(token.id) >= m.Vocab) {
			return fmt.Errorf("%s %d is outside the vocabulary of %d", token.name, token.id, m.Vocab)
		}
	}
	return nil
}

// WidthFor is the bytes a token of a vocabulary takes.
func WidthFor(vocab int) int {
	if vocab <= 1<<16 {
		return 2
	}
	return 4
}

func (i *Info) size() int64 { return headerSize + i.indexAt() + 8*i.Documents }

// indexAt is the offset of the index of documents behind the header: tokens
// are padded to whole 8 bytes.
func (i *Info) indexAt() int64 { return (i.Tokens*int64(i.Width) + 7) &^ 7 }

// header is the header without its checksum.
func (i *Info) header() ([]byte, error) {
	print, err := hex.DecodeString(i.Tokenizer)
	if err != nil || len(print) != 8 {
		return nil, fmt.Errorf("shard: tokenizer fingerprint %q: want 16 hex digits", i.Tokenizer)
	}
	h := make([]byte, headerSize)
	copy(h, Magic)
	le := binary.LittleEndian
	le.PutUint32(h[8:], Version)
	le.PutUint32(h[12:], uint32(i.Width))
	le.PutUint64(h[16:], uint64(i.Tokens))
	le.PutUint64(h[24:], uint64(i.Documents))
	le.PutUint64(h[32:], uint64(i.TextBytes))
	le.PutUint32(h[40:], uint32(i.Vocab))
	le.PutUint32(h[44:], uint32(i.BOS))
	le.PutUint32(h[48:], uint32(i.EOS))
	copy(h[56:], print)
	le.PutUint64(h[64:], headerSize)
	le.PutUint64(h[72:], uint64(headerSize+i.indexAt()))
	return h, nil
}

// parseHeader reads a header and holds its numbers to the file's size.
func parseHeader(h []byte, size int64) (Info, error) {
	var i Info
	bad := func(format string, args ...any) (Info, error) {
		return i, fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	if len(h) < headerSize {
		return bad("%d bytes, the header alone has %d", size, headerSize)
	}
	if string(h[:8]) != Magic {
		return bad("it does not begin with %q", Magic)
	}
	le := binary.LittleEndian
	if v := le.Uint32(h[8:]); v != Version {
		return bad("version %d, want %d", v, Version)
	}
	i.Width = int(le.Uint32(h[12:]))
	i.Tokens, i.Documents, i.TextBytes = int64(le.Uint64(h[16:])), int64(le.Uint64(h[24:])), int64(le.Uint64(h[32:]))
	i.Vocab = int(le.Uint32(h[40:]))
	i.BOS, i.EOS = int32(le.Uint32(h[44:])), int32(le.Uint32(h[48:]))
	i.Tokenizer = hex.EncodeToString(h[56:64])
	i.Sum = hex.EncodeToString(h[sumAt:headerSize])
	if err := i.check(); err != nil {
		return bad("%v", err)
	}
	if i.Tokens < 0 || i.Documents < 0 || i.Tokens > size || i.Documents > size {
		return bad("%d tokens and %d documents in %d bytes", i.Tokens, i.Documents, size)
	}
	if want := i.size(); size != want {
		return bad("%d bytes, its header asks for %d: the file is cut short or has been added to", size, want)
	}
	if le.Uint64(h[64:]) != headerSize || int64(le.Uint64(h[72:])) != headerSize+i.indexAt() {
		return bad("tokens at %d and index at %d, want %d and %d", le.Uint64(h[64:]), le.Uint64(h[72:]), headerSize, headerSize+i.indexAt())
	}
	return i, nil
}
