package ingest

import (
	"errors"
	"fmt"
	"io"
)

// Limits bound what a hostile or damaged file can take.
type Limits struct {
	// Document is the most bytes of a document that lies among others in a file:
	// a JSON value, a line, a paragraph or a row of a table. A longer one is
	// unreadable. A plain file that is one document may be of any size, but where
	// it is read in parts, one must be found among so many bytes.
	Document int
	// A packed file may unpack to Unpacked bytes, and beyond to Ratio times its
	// size; the column of a table counts likewise.
	Unpacked, Ratio int64
}

// DefaultLimits hold where [Options] names none: documents of 256 MiB, and 1 GiB
// or 200 times its size from a file.
var DefaultLimits = Limits{Document: 256 << 20, Unpacked: 1 << 30, Ratio: 200}

// unpacked says what is wrong with so many bytes from so many packed ones.
func (l Limits) unpacked(name string, bytes, packed int64) error {
	if bytes <= l.Unpacked || bytes/l.Ratio <= packed {
		return nil
	}
	return fmt.Errorf("%s: its first %d bytes unpack to more than %s and %d times as many, the limit\nhint: unpack the file first if that is right",
		Clean(name), packed, sizeText(l.Unpacked), l.Ratio)
}

// document says what is wrong with a document of so many bytes.
func (l Limits) document(what string, bytes int) error {
	if bytes <= l.Document {
		return nil
	}
	return fmt.Errorf("%w: %s of more than %s, the limit", ErrDocument, what, sizeText(int64(l.Document)))
}

// ErrMemory is the error of text for which memory has no room, see
// [Options.Memory].
var ErrMemory = errors.New("the text is larger than memory has room for")

// room says what is wrong with so many bytes of a document in memory.
func (o *Options) room(name string, bytes int64) error {
	if o.Memory <= 0 || bytes <= o.Memory {
		return nil
	}
	return fmt.Errorf("%s: %w", Clean(name), ErrMemory)
}

func sizeText(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// tally counts what a reader gives.
type tally struct {
	io.Reader
	bytes int64
}

func (t *tally) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.bytes += int64(n)
	return n, err
}
