package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// longestLine bounds the memory that one document takes.
const longestLine = 64 << 20

// lines gives each line that is not blank as a document.
type lines struct {
	name   string
	source io.ReadCloser
	in     *bufio.Reader
	json   bool
	number int64 // of the line, from 1
	place  int64
}

func newLines(name string, source io.ReadCloser, json bool) *lines {
	return &lines{name: name, source: source, in: bufio.NewReaderSize(source, 1<<18), json: json}
}

// Close implements io.Closer.
func (l *lines) Close() error { return l.source.Close() }

// Next implements Reader.
func (l *lines) Next() (Record, error) {
	for {
		text, err := l.line()
		if errors.Is(err, io.EOF) {
			return Record{}, io.EOF
		}
		record := Record{Name: fmt.Sprintf("%s:%d", l.name, l.number), Place: l.place, Text: text, JSON: l.json, First: true, Last: true}
		if errors.Is(err, ErrDocument) {
			record.Err = err
		} else if err != nil {
			return Record{}, err
		}
		if record.Err == nil && len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		l.place++
		return record, nil
	}
}

// line returns the next line without its end. A longer one than longestLine is
// passed over.
func (l *lines) line() ([]byte, error) {
	var text []byte
	size := 0
	l.number++
	for {
		part, err := l.in.ReadSlice('\n')
		if size += len(part); size <= longestLine {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && size == 0:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case size > longestLine:
			return nil, fmt.Errorf("%w: a line of %d bytes, at most %d are read", ErrDocument, size, longestLine)
		}
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		if l.json && l.number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		return text, nil
	}
}

// paragraphs gives each run of lines that are not blank as a document.
type paragraphs struct {
	lines *lines
	place int64
}

// Close implements io.Closer.
func (p *paragraphs) Close() error { return p.lines.Close() }

// Next implements Reader.
func (p *paragraphs) Next() (Record, error) {
	var text []byte
	var record Record
	for {
		line, err := p.lines.line()
		blank := err == nil && len(bytes.TrimSpace(line)) == 0
		switch {
		case errors.Is(err, ErrDocument):
			record.Err = err
		case err != nil && err != io.EOF:
			return Record{}, err
		}
		if record.Name == "" && (record.Err != nil || err == nil && !blank) {
			record.Name = fmt.Sprintf("%s:%d", p.lines.name, p.lines.number)
		}
		if err == nil && !blank {
			if len(text) > 0 {
				text = append(text, '\n')
			}
			if text = append(text, line...); len(text) > longestLine {
				record.Err = fmt.Errorf("%w: a paragraph of more than %d bytes", ErrDocument, longestLine)
				text = text[:0]
			}
			continue
		}
		if record.Name == "" && err == io.EOF {
			return Record{}, io.EOF
		}
		if record.Name != "" && (blank || err == io.EOF) {
			record.Text, record.First, record.Last, record.Place = text, true, true, p.place
			p.place++
			return record, nil
		}
	}
}
