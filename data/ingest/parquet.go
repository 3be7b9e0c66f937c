package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// parquetReader gives each row's value of one column as a document, page by
// page.
type parquetReader struct {
	path   string
	size   int64 // of the file, bytes
	limits Limits
	groups []parquet.RowGroup
	column int
	row    int64

	pages  parquet.Pages
	values parquet.ValueReader
	buffer []parquet.Value
	ready  []parquet.Value
	bytes  int64 // of the texts so far
}

func openParquet(path string, file *os.File, o Options) (r *parquetReader, err error) {
	defer brokenTable(path, &err)
	f, size, err := openTable(path, file, o)
	if err != nil {
		return nil, err
	}
	leaf, ok := f.Schema().Lookup(strings.Split(o.Column, ".")...)
	if !ok {
		var have []string
		for _, c := range f.Schema().Columns() {
			have = append(have, strings.Join(c, "."))
		}
		return nil, fmt.Errorf("%s: no column %q\nhint: it has %s; name one with --column, to train with data.column", Clean(path), o.Column, Clean(strings.Join(have, ", ")))
	}
	if kind := leaf.Node.Type().Kind(); kind != parquet.ByteArray {
		return nil, fmt.Errorf("%s: column %q holds %s, not text", Clean(path), o.Column, kind)
	}
	if leaf.MaxRepetitionLevel > 0 {
		return nil, fmt.Errorf("%s: column %q holds lists, one text a row is needed", Clean(path), o.Column)
	}
	return &parquetReader{path: path, size: size, limits: o.Limits, groups: f.RowGroups(), column: leaf.ColumnIndex, buffer: make([]parquet.Value, 64)}, nil
}

// brokenTable makes an error of a panic: the library has them on some broken files.
func brokenTable(path string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: broken parquet file: %v", Clean(path), p)
	}
}

// openTable opens a parquet file; size is in bytes.
func openTable(path string, file *os.File, o Options) (f *parquet.File, size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	var in io.ReaderAt = file
	if o.Read != nil {
		in = &countingAt{file, o.Read, info.Size()}
	}
	f, err = parquet.OpenFile(in, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(1<<18))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: broken parquet file: %w", Clean(path), err)
	}
	return f, info.Size(), nil
}

// Close implements io.Closer.
func (r *parquetReader) Close() error {
	if r.pages != nil {
		return r.pages.Close()
	}
	return nil
}

// Next implements Reader.
func (r *parquetReader) Next() (record Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: broken parquet file at row %d: %v", Clean(r.path), r.row, p)
		}
	}()
	for len(r.ready) == 0 {
		if err := r.more(); err != nil {
			if err == io.EOF {
				return Record{}, io.EOF
			}
			return Record{}, fmt.Errorf("%s: broken parquet file at row %d: %w", Clean(r.path), r.row, err)
		}
	}
	value := r.ready[0]
	r.ready = r.ready[1:]
	record = Record{Name: fmt.Sprintf("%s#%d", r.path, r.row), Place: r.row, First: true, Last: true}
	r.row++
	if value.IsNull() {
		record.Err = fmt.Errorf("%w: the column is null", ErrDocument)
		return record, nil
	}
	text := value.ByteArray()
	r.bytes += int64(len(text))
	if err := r.limits.unpacked(r.path, r.bytes, r.size); err != nil {
		return Record{}, err
	}
	if record.Err = r.limits.document("a row", len(text)); record.Err == nil && !utf8.Valid(text) {
		record.Err = fmt.Errorf("%w at byte %d", ErrUTF8, brokenAt(text))
	}
	if record.Err == nil {
		record.Text = bytes.Clone(text)
	}
	return record, nil
}

// more reads values into ready, going on to the next page and row group.
func (r *parquetReader) more() error {
	if r.values != nil {
		n, err := r.values.ReadValues(r.buffer)
		r.ready = r.buffer[:n]
		if errors.Is(err, io.EOF) {
			r.values = nil
			err = nil
		}
		return err
	}
	if r.pages != nil {
		page, err := r.pages.ReadPage()
		if err == nil {
			r.values = page.Values()
			return nil
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		r.pages.Close()
		r.pages = nil
	}
	if len(r.groups) == 0 {
		return io.EOF
	}
	r.pages = r.groups[0].ColumnChunks()[r.column].Pages()
	r.groups = r.groups[1:]
	return nil
}

// countingAt adds what was read, at most the file's size: some parts are read
// twice.
type countingAt struct {
	io.ReaderAt
	count *atomic.Int64
	left  int64
}

// ReadAt implements io.ReaderAt.
func (c *countingAt) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	add := min(int64(n), c.left)
	c.left -= add
	c.count.Add(add)
	return n, err
}
