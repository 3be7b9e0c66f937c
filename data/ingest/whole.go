package ingest

import (
	"bytes"
	"fmt"
	"io"
)

// whole gives the documents of plain text that is read at once. They lie in the
// memory that it was read to.
type whole struct {
	name      string
	in        io.ReadCloser
	separator []byte
	size      int64 // expected, -1 where it is not known
	options   *Options

	rest  []byte
	read  bool
	line  int64
	place int64
}

// Close implements io.Closer.
func (w *whole) Close() error { return w.in.Close() }

// Next implements Reader. A file without text is an empty document.
func (w *whole) Next() (Record, error) {
	if !w.read {
		w.read = true
		if err := w.readAll(); err != nil {
			return Record{}, err
		}
	}
	for len(w.rest) > 0 {
		from := w.rest
		text, rest := cutDocument(from, w.separator)
		record := w.document(text)
		if w.rest = rest; len(w.separator) > 0 {
			w.line += int64(bytes.Count(from[:len(from)-len(rest)], []byte("\n")))
		}
		if len(text) > 0 {
			w.place++
			return record, nil
		}
	}
	if w.place == 0 {
		record := w.document(nil)
		w.place++
		return record, nil
	}
	return Record{}, io.EOF
}

func (w *whole) document(text []byte) Record {
	record := Record{Name: w.name, Place: w.place, Text: text, First: true, Last: true, cut: true}
	if len(w.separator) > 0 {
		record.Name = fmt.Sprintf("%s:%d", w.name, w.line+1)
	}
	return record
}

// readAll reads the text, without a copy where its size is known.
func (w *whole) readAll() error {
	if err := w.options.room(w.name, w.size); err != nil {
		return err
	}
	in := io.Reader(w.in)
	if w.options.Memory > 0 {
		in = io.LimitReader(in, w.options.Memory+1)
	}
	var err error
	if w.size > 0 {
		text := bytes.NewBuffer(make([]byte, 0, w.size+bytes.MinRead))
		_, err = text.ReadFrom(in)
		w.rest = text.Bytes()
	} else {
		w.rest, err = io.ReadAll(in)
	}
	if err == nil {
		err = w.options.room(w.name, int64(len(w.rest)))
	}
	return err
}
