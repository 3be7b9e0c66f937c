package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"mobilellm/internal/regular"
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
	Kind      Kind
	Split     Split  // of plain text
	Column    string // of parquet files
	Rows      bool   // of parquet files: a row is an object of all columns, see [Record.Object]
	Separator string // between the documents of plain text, empty for none
	// Cut returns the first place at or after from where a text may be cut in
	// parts; len(text) for none. Without it every document of a plain text is read
	// at once, and they share memory.
	Cut func(text []byte, from int) int
	// PartSize is the size from which a document comes in parts; 0 is 1 MiB.
	PartSize int
	// Memory, when not 0, is how many bytes of a file may be in memory at once;
	// more are an ErrMemory.
	Memory int64
	Limits Limits // zero for DefaultLimits
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

// Open begins to read a file. One without bytes is an empty document, however it
// would be packed. A pipe, a socket or a device is a [regular.ErrSpecial] and not opened.
func Open(path string, o Options) (Reader, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, missing(path)
	case err != nil:
		return nil, cleaned(err)
	}
	if err := regular.Check(Clean(path), info.Mode()); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, cleaned(err)
	}
	r, err := read(path, file, info.Size(), o)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &closing{r, file}, nil
}

func read(path string, file *os.File, size int64, o Options) (Reader, error) {
	o.complete(path)
	if size == 0 {
		return &whole{name: path, in: io.NopCloser(strings.NewReader("")), options: &o}, nil
	}
	if o.Kind == Parquet && o.Rows {
		return openRows(path, file, o)
	}
	if o.Kind == Parquet {
		return openParquet(path, file, o)
	}
	if kind, _ := packed(path); kind != "" {
		size = -1
	}
	return newReader(path, file, size, o)
}

// NewReader reads text or JSON from a stream, such as standard input; name stands
// in errors and its ending says how it is packed.
func NewReader(name string, stream io.Reader, o Options) (Reader, error) {
	o.complete(name)
	if o.Kind == Parquet {
		return nil, fmt.Errorf("%s: parquet cannot be read from a stream, name a file", Clean(name))
	}
	return newReader(name, stream, -1, o)
}

func (o *Options) complete(name string) {
	if o.Kind == Auto || o.Kind == "" {
		o.Kind = KindOf(name)
	}
	if o.PartSize <= 0 {
		o.PartSize = 1 << 20
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits
	}
}

func newReader(name string, stream io.Reader, size int64, o Options) (Reader, error) {
	if o.Read != nil {
		stream = &counting{stream, o.Read}
	}
	unpacked, err := unpack(name, stream, o.Limits)
	if err != nil {
		return nil, err
	}
	in, err := lookAhead(name, unpacked, size)
	if err != nil {
		return nil, errors.Join(err, unpacked.Close())
	}
	switch o.Kind {
	case JSONL, JSON:
		switch layoutOf(o.Kind, in.head) {
		case valueArray:
			return newValues(name, in, &o, true), nil
		case valueRuns:
			return newValues(name, in, &o, false), nil
		}
		return newLines(name, in, &o, true), nil
	}
	switch o.Split {
	case ByLine:
		return newLines(name, in, &o, false), nil
	case ByParagraph:
		return &paragraphs{lines: newLines(name, in, &o, false)}, nil
	case ByFile, "":
		if o.Cut == nil {
			return &whole{name: name, in: in, separator: []byte(o.Separator), size: size, options: &o}, nil
		}
		return &plain{name: name, in: in, cut: o.Cut, size: o.PartSize, longest: o.Limits.Document, separator: []byte(o.Separator)}, nil
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
