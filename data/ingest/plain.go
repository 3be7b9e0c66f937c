package ingest

import (
	"bytes"
	"fmt"
	"io"
)

// plain gives the documents of plain text, one or those between separators, in
// parts if they are long. It holds a few parts in memory, not more.
type plain struct {
	name      string
	in        io.ReadCloser
	cut       func(text []byte, from int) int
	size      int // of a part
	longest   int // text that may wait for a place to cut
	separator []byte

	buffer  []byte
	rest    []byte // of the buffer: read and not given
	ended   bool   // the stream
	done    bool
	begun   string // the name of a document whose first part was given
	behind  bool   // rest follows a separator: line breaks go with that
	place   int64
	line    int64 // line feeds before rest
	scanned int   // bytes of rest in which no separator begins
}

// Close implements io.Closer.
func (p *plain) Close() error { return p.in.Close() }

// Next implements Reader.
func (p *plain) Next() (Record, error) {
	for !p.done {
		record, ok, err := p.next()
		if ok || err != nil {
			return record, err
		}
	}
	return Record{}, io.EOF
}

// next gives the next part; none where a document is empty.
func (p *plain) next() (record Record, ok bool, err error) {
	want, tried := 2*max(p.size, len(p.separator)), 0
	for {
		if !p.behind || p.skipBreaks() {
			end, behind, found := firstDocument(p.rest[p.scanned:], p.separator)
			switch {
			case found:
				record, ok = p.endOf(p.scanned+end, p.scanned+behind)
				return record, ok, nil
			case p.ended:
				p.done = true
				if len(p.rest) == 0 && p.place > 0 {
					return record, false, nil
				}
				return p.part(len(p.rest), true), true, nil
			}
			p.scanned = max(0, len(p.rest)-max(0, len(p.separator)-1))
		}
		if len(p.rest) >= want {
			// The end may hide what decides, so that a cut is not looked for there.
			if at := p.cut(p.rest, max(p.size, tried)); at+p.size/2 < len(p.rest) && at < p.certain() {
				return p.part(at, false), true, nil
			}
			tried = len(p.rest) - p.size/2
			if want *= 2; want > max(p.longest, 4*p.size) {
				return record, false, fmt.Errorf("%s: more than %s without a place where a text may be cut in parts, the limit", Clean(p.name), sizeText(int64(len(p.rest))))
			}
		}
		if err := p.fill(want); err != nil {
			return record, false, err
		}
	}
}

// fill reads until want bytes wait or the stream ends.
func (p *plain) fill(want int) error {
	old := p.rest
	if cap(p.buffer) < want {
		p.buffer = make([]byte, want)
	}
	p.rest = p.buffer[:copy(p.buffer, old)]
	for len(p.rest) < want && !p.ended {
		n, err := p.in.Read(p.buffer[len(p.rest):want])
		p.rest = p.buffer[:len(p.rest)+n]
		if err == io.EOF {
			p.ended = true
		} else if err != nil {
			return err
		}
	}
	return nil
}

// skipBreaks passes over the line breaks behind a separator and says whether all
// of them are known.
func (p *plain) skipBreaks() bool {
	for len(p.rest) >= len(p.separator) || p.ended {
		if !beginsWithBreak(p.rest, p.separator) {
			p.behind = false
			return true
		}
		p.drop(1)
	}
	return false // the next separator may begin with a line break
}

// certain is how many of the bytes that wait belong to the document whatever
// follows them: no separator begins there, and the last is no line break.
func (p *plain) certain() int {
	if len(p.separator) == 0 {
		return len(p.rest)
	}
	n := len(p.rest) - partialSeparator(p.rest, p.separator)
	return len(bytes.TrimRight(p.rest[:n], lineBreaks))
}

// endOf gives the last part of a document that ends at a place, with all up to
// the next document; none of an empty one.
func (p *plain) endOf(end, next int) (record Record, ok bool) {
	p.behind = true
	if end = len(bytes.TrimRight(p.rest[:end], lineBreaks)); end == 0 { // the search may have begun in a line break
		p.drop(next)
		return record, false
	}
	record = p.part(end, true)
	p.drop(next - end)
	return record, true
}

// part gives the first bytes that wait.
func (p *plain) part(n int, last bool) Record {
	record := Record{Name: p.begun, Place: p.place, First: p.begun == "", Last: last, cut: true}
	if record.First {
		record.Name = p.name
		if len(p.separator) > 0 {
			record.Name = fmt.Sprintf("%s:%d", p.name, p.line+1)
		}
	}
	p.begun = record.Name
	if last {
		p.begun = ""
		p.place++
	}
	if p.done {
		record.Text, p.rest, p.buffer = p.rest, nil, nil
	} else {
		record.Text = bytes.Clone(p.rest[:n])
		p.drop(n)
	}
	return record
}

// drop passes over the first bytes that wait.
func (p *plain) drop(n int) {
	if len(p.separator) > 0 {
		p.line += int64(bytes.Count(p.rest[:n], []byte("\n")))
	}
	p.rest = p.rest[n:]
	p.scanned = max(0, p.scanned-n)
}
