package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lines gives each line that is not blank as a document.
type lines struct {
	name    string
	source  io.ReadCloser
	in      *bufio.Reader
	options *Options
	json    bool
	number  int64 // of the line, from 1
	place   int64
}

func newLines(name string, source io.ReadCloser, o *Options, json bool) *lines {
	return &lines{name: name, source: source, in: bufio.NewReaderSize(source, 1<<18), options: o, json: json}
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

// line returns the next line without its end. One that is too long is passed
// over.
func (l *lines) line() ([]byte, error) {
	var text []byte
	size := 0
	l.number++
	for {
		part, err := l.in.ReadSlice('\n')
		size += len(part)
		tooLong := l.options.Limits.document("a line", size)
		if tooLong == nil {
			text = append(text, part...)
			if room := l.options.room(l.name, int64(cap(text))); room != nil {
				return nil, room
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && size == 0:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case tooLong != nil:
			return nil, tooLong
		}
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		if l.json && l.number == 1 {
			text = withoutBOM(text)
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
			text = append(text, line...)
			if err := p.lines.options.Limits.document("a paragraph", len(text)); err != nil {
				record.Err, text = err, nil
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
