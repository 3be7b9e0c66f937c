package ingest

import (
	"bytes"
	"errors"
	"io"
)

// plain gives a file as one document, in parts if it is long.
type plain struct {
	name  string
	in    io.ReadCloser
	cut   func(text []byte, from int) int
	size  int // of a part
	rest  []byte
	first bool
	done  bool
}

// Close implements io.Closer.
func (p *plain) Close() error { return p.in.Close() }

// Next implements Reader.
func (p *plain) Next() (Record, error) {
	if p.done {
		return Record{}, io.EOF
	}
	want, tried := 2*p.size, 0
	for {
		ended, err := p.fill(want)
		if err != nil {
			return Record{}, err
		}
		if ended {
			p.done = true
			return p.part(len(p.rest)), nil
		}
		if p.cut != nil {
			// The end may hide what decides, so that a cut is not looked for there.
			if at := p.cut(p.rest, max(p.size, tried)); at+p.size/2 < len(p.rest) {
				return p.part(at), nil
			}
			tried = len(p.rest) - p.size/2
		}
		want *= 2
	}
}

// fill reads until want bytes wait.
func (p *plain) fill(want int) (ended bool, err error) {
	if cap(p.rest) < want {
		p.rest = append(make([]byte, 0, want), p.rest...)
	}
	for len(p.rest) < want {
		n, err := p.in.Read(p.rest[len(p.rest):want])
		p.rest = p.rest[:len(p.rest)+n]
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

func (p *plain) part(n int) Record {
	text := bytes.Clone(p.rest[:n])
	p.rest = append(p.rest[:0], p.rest[n:]...)
	record := Record{Name: p.name, Text: text, First: p.first, Last: p.done}
	p.first = false
	return record
}
