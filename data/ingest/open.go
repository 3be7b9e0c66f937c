package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// Kind is how a file holds documents.
type Kind string

// The kinds of files.
const (
	Auto    Kind = "auto" // by the name's ending; plain text where it says nothing
	Text    Kind = "text"
	JSONL   Kind = "jsonl"
	Parquet Kind = "parquet"
)

// Split is where plain text is cut into documents.
type Split string

// The ways to cut plain text.
const (
	ByFile      Split = "file"      // the whole file is one document
	ByLine      Split = "line"      // every line that is not blank
	ByParagraph Split = "paragraph" // runs of lines that are not blank
)

// Options say how to read a file.
type Options struct {
	Kind   Kind
	Split  Split  // of plain text
	Column string // of parquet files
	// Cut returns the first place at or after from where a text may be cut in
	// parts; len(text) for none. Without it a plain text is one part.
	Cut func(text []byte, from int) int
	// PartSize is the size from which a plain text comes in parts; 0 is 1 MiB.
	PartSize int
	// Read, when not nil, is added the bytes of the file that were read.
	Read *atomic.Int64
}

// Reader gives the documents of a file in order.
type Reader interface {
	// Next returns the next record, or io.EOF after the last. Its text is
	// the caller's.
	Next() (Record, error)
	io.Closer
}

// KindOf tells a file's kind by its name.
func KindOf(name string) Kind {
	if _, packed := packers[filepath.Ext(name)]; packed {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	switch filepath.Ext(name) {
	case ".jsonl", ".ndjson":
		return JSONL
	case ".parquet":
		return Parquet
	}
	return Text
}

// Open begins to read a file.
func Open(path string, o Options) (Reader, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist", path)
	}
	if err != nil {
		return nil, err
	}
	if o.Kind == Auto || o.Kind == "" {
		o.Kind = KindOf(path)
	}
	if o.Kind == Parquet {
		r, err := openParquet(path, file, o)
		if err != nil {
			file.Close()
			return nil, err
		}
		return r, nil
	}
	r, err := NewReader(path, file, o)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &closing{r, file}, nil
}

// NewReader reads plain text or JSON lines from a stream, such as standard
// input; name stands in errors and its ending says how it is packed.
func NewReader(name string, stream io.Reader, o Options) (Reader, error) {
	if o.Kind == Auto || o.Kind == "" {
		o.Kind = KindOf(name)
	}
	if o.Kind == Parquet {
		return nil, fmt.Errorf("%s: parquet cannot be read from a stream, name a file", name)
	}
	if o.Read != nil {
		stream = &counting{stream, o.Read}
	}
	unpacked, _, err := Unpacked(name, stream)
	if err != nil {
		return nil, err
	}
	if o.Kind == JSONL {
		return newLines(name, unpacked, true), nil
	}
	switch o.Split {
	case ByLine:
		return newLines(name, unpacked, false), nil
	case ByParagraph:
		return &paragraphs{lines: newLines(name, unpacked, false)}, nil
	case ByFile, "":
		if o.PartSize <= 0 {
			o.PartSize = 1 << 20
		}
		return &plain{name: name, in: unpacked, cut: o.Cut, size: o.PartSize, first: true}, nil
	}
	return nil, fmt.Errorf("unknown way to split text %q: want file, line or paragraph", o.Split)
}

// closing closes the file too.
type closing struct {
	Reader
	file io.Closer
}

func (c *closing) Close() error { return errors.Join(c.Reader.Close(), c.file.Close()) }

type counting struct {
	io.Reader
	count *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.count.Add(int64(n))
	return n, err
}
