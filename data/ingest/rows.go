package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// rows gives each row of a parquet file as a JSON object of all its columns, nested
// columns and lists as in Hugging Face's datasets.
type rows struct {
	path   string
	size   int64 // of the file, bytes
	limits Limits
	in     *parquet.GenericReader[any]
	row    int64
	bytes  int64 // of the objects so far
}

func openRows(path string, file *os.File, o Options) (r *rows, err error) {
	defer brokenTable(path, &err)
	f, size, err := openTable(path, file, o)
	if err != nil {
		return nil, err
	}
	return &rows{path: path, size: size, limits: o.Limits, in: parquet.NewGenericReader[any](f, f.Schema())}, nil
}

// Close implements io.Closer.
func (r *rows) Close() error { return r.in.Close() }

// Next implements Reader.
func (r *rows) Next() (record Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: broken parquet file at row %d: %v", Clean(r.path), r.row, p)
		}
	}()
	var row [1]any
	switch n, err := r.in.Read(row[:]); {
	case n == 0 && (err == nil || errors.Is(err, io.EOF)):
		return Record{}, io.EOF
	case err != nil && !errors.Is(err, io.EOF):
		return Record{}, fmt.Errorf("%s: broken parquet file at row %d: %w", Clean(r.path), r.row, err)
	}
	record = Record{Name: fmt.Sprintf("%s#%d", r.path, r.row), Place: r.row, JSON: true, First: true, Last: true}
	r.row++
	text, err := json.Marshal(row[0])
	r.bytes += int64(len(text))
	if err := r.limits.unpacked(r.path, r.bytes, r.size); err != nil {
		return Record{}, err
	}
	switch {
	case err != nil:
		record.Err = fmt.Errorf("%w: %w", ErrDocument, err)
	case !validText(row[0]):
		record.Err = ErrUTF8
	default:
		record.Text = text
		record.Err = r.limits.document("a row", len(text))
	}
	return record, nil
}

// validText says whether every string of a value is UTF-8.
func validText(value any) bool {
	switch v := value.(type) {
	case string:
		return utf8.ValidString(v)
	case []any:
		for _, inner := range v {
			if !validText(inner) {
				return false
			}
		}
	case map[string]any:
		for key, inner := range v {
			if !utf8.ValidString(key) || !validText(inner) {
				return false
			}
		}
	}
	return true
}
