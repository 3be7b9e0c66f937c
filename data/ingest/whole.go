package ingest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
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
	if w.size > 0 {
		text := bytes.NewBuffer(make([]byte, 0, w.size+bytes.MinRead))
		if _, err := text.ReadFrom(w.in); err != nil {
			return err
		}
		w.rest = text.Bytes()
		return w.options.room(w.name, int64(len(w.rest))) // the file may have grown
	}
	var chunks [][]byte
	size, total := 64<<10, 0
	for ended := false; !ended; size = min(2*size, 16<<20) {
		chunk := make([]byte, size)
		n, err := io.ReadFull(w.in, chunk)
		ended = err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !ended {
			return err
		}
		chunks = append(chunks, chunk[:n])
		total += n
		if err := w.options.room(w.name, int64(total)); err != nil {
			return err
		}
	}
	w.rest = slices.Concat(chunks...)
	return nil
}
