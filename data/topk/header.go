package topk

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	// Magic opens every file.
	Magic = "MLLMTOPK"
	// Version is the version of the format that this package writes.
	Version = 1
	// Name is the file's name in its folder.
	Name = "teacher.topk"

	headerSize = 192
	sumAt      = headerSize - 4
	trailer    = 8 // of a block: share and checksum

	// unit is the step of a stored log-probability, in nats: the smallest is
	// −65535 steps, about −32.
	unit = 1.0 / 2048
)

// The largest numbers accepted, which keep sizes within int64.
const (
	maxK      = 1 << 16
	maxSeq    = 1 << 24
	maxTokens = 1 << 40
)

// ErrFormat marks a file that is none of this kind, or a broken one.
var ErrFormat = errors.New("not sound teacher shards")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Meta is what a file says of its log-probabilities.
type Meta struct {
	K         int    `json:"k"`          // log-probabilities of a position
	Vocab     int    `json:"vocab_size"` // of the teacher; ids are below it
	Seq       int    `json:"seq"`        // positions in a window
	Tokens    int64  `json:"tokens"`     // positions in the text
	Tokenizer string `json:"tokenizer"`  // fingerprint, 16 hex digits
	Text      string `json:"text"`       // SHA-256 of the token shards' checksums, in hex
	Teacher   string `json:"teacher"`    // checksum of the teacher's model, SHA-256 in hex
}

// Blocks is the number of windows; the last may be filled up.
func (m Meta) Blocks() int64 { return (m.Tokens + int64(m.Seq) - 1) / int64(m.Seq) }

// Size is the size of the whole file in bytes.
func (m Meta) Size() int64 { return headerSize + m.Blocks()*m.blockSize() }

// width is the bytes of an id.
func (m Meta) width() int {
	if m.Vocab <= 1<<16 {
		return 2
	}
	return 4
}

func (m Meta) entries() int { return m.Seq * m.K }

func (m Meta) blockSize() int64 { return int64(m.entries())*int64(m.width()+2) + trailer }

// check reports the first number that no file can have.
func (m Meta) check() error {
	switch {
	case m.Vocab < 1 || m.Vocab > 1<<30:
		return fmt.Errorf("vocabulary of %d", m.Vocab)
	case m.K < 1 || m.K > min(maxK, m.Vocab):
		return fmt.Errorf("k is %d, want 1 to %d", m.K, min(maxK, m.Vocab))
	case m.Seq < 1 || m.Seq > maxSeq:
		return fmt.Errorf("windows of %d", m.Seq)
	case m.Tokens < 1 || m.Tokens > maxTokens:
		return fmt.Errorf("%d positions", m.Tokens)
	}
	return nil
}

func (m Meta) header() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("topk: %w", err)
	}
	h := make([]byte, headerSize)
	copy(h, Magic)
	le := binary.LittleEndian
	le.PutUint32(h[8:], Version)
	le.PutUint32(h[12:], uint32(m.K))
	le.PutUint32(h[16:], uint32(m.width()))
	le.PutUint32(h[20:], uint32(m.Vocab))
	le.PutUint32(h[24:], uint32(m.Seq))
	le.PutUint64(h[32:], uint64(m.Tokens))
	le.PutUint64(h[40:], uint64(m.Blocks()))
	for _, f := range []struct {
		at, size int
		hex      string
		name     string
	}{{48, 8, m.Tokenizer, "tokenizer"}, {64, 32, m.Text, "text"}, {96, 32, m.Teacher, "teacher"}} {
		raw, err := hex.DecodeString(f.hex)
		if err != nil || len(raw) != f.size {
			return nil, fmt.Errorf("topk: %s %q: want %d hex digits", f.name, f.hex, 2*f.size)
		}
		copy(h[f.at:], raw)
	}
	le.PutUint32(h[sumAt:], crc32.Checksum(h[:sumAt], castagnoli))
	return h, nil
}

func parseHeader(h []byte) (m Meta, err error) {
	bad := func(format string, args ...any) (Meta, error) {
		return m, fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	if len(h) < headerSize {
		return bad("%d bytes, the header alone has %d", len(h), headerSize)
	}
	if string(h[:8]) != Magic {
		return bad("it does not begin with %q", Magic)
	}
	le := binary.LittleEndian
	if v := le.Uint32(h[8:]); v != Version {
		return bad("version %d, want %d", v, Version)
	}
	if le.Uint32(h[sumAt:]) != crc32.Checksum(h[:sumAt], castagnoli) {
		return bad("the header's checksum does not fit")
	}
	m = Meta{
		K: int(le.Uint32(h[12:])), Vocab: int(le.Uint32(h[20:])), Seq: int(le.Uint32(h[24:])), Tokens: int64(le.Uint64(h[32:])),
		Tokenizer: hex.EncodeToString(h[48:56]), Text: hex.EncodeToString(h[64:96]), Teacher: hex.EncodeToString(h[96:128]),
	}
	if err := m.check(); err != nil {
		return bad("%v", err)
	}
	if w, n := int(le.Uint32(h[16:])), int64(le.Uint64(h[40:])); w != m.width() || n != m.Blocks() {
		return bad("%d bytes an id and %d blocks, want %d and %d", w, n, m.width(), m.Blocks())
	}
	return m, nil
}
