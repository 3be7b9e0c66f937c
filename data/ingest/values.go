package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrNotJSON marks a file of a JSON file's name that holds something else.
var ErrNotJSON = errors.New("is no JSON")

// values gives the values of a JSON array, or those that follow each other, one
// at a time: memory holds no more than one of them. A value that is no JSON is a
// record of its own as long as its brackets and quotes are in order; where they
// are not, nobody knows where the next begins, and the file is broken, or from its
// first value on no JSON.
type values struct {
	name    string
	source  io.ReadCloser
	in      *bufio.Reader
	options *Options
	array   bool

	line  int64 // line feeds that were read
	place int64
	given int64 // values that were read
	begun bool
	ended bool
}

func newValues(name string, source io.ReadCloser, o *Options, array bool) *values {
	return &values{name: name, source: source, in: bufio.NewReaderSize(source, 1<<18), options: o, array: array}
}

// Close implements io.Closer.
func (v *values) Close() error { return v.source.Close() }

// Next implements Reader.
func (v *values) Next() (Record, error) {
	if v.ended {
		return Record{}, io.EOF
	}
	if err := v.toValue(); err != nil {
		return Record{}, err
	}
	record := Record{Place: v.place, JSON: true, First: true, Last: true, Item: v.array}
	record.Name = fmt.Sprintf("%s:%d", v.name, v.line+1)
	if v.array {
		record.Name = fmt.Sprintf("%s[%d]", v.name, v.place)
	}
	v.place++
	var err error
	if record.Text, record.Err, err = v.value(); err == nil {
		v.given++
	}
	return record, err
}

// toValue reads up to the next value, or gives io.EOF.
func (v *values) toValue() error {
	c, err := v.blanks()
	if !v.begun {
		v.begun = true
		if bytes.HasPrefix(utf8BOM, []byte{c}) {
			if _, err := v.in.Discard(len(utf8BOM)); err != nil {
				return err
			}
			c, err = v.blanks()
		}
		if err == nil && v.array {
			v.skip() // the bracket that the layout was told by
			if c, err = v.blanks(); err == nil && c == ']' {
				return v.end()
			}
		}
	} else if v.array && err == nil {
		switch c {
		case ']':
			return v.end()
		case ',':
			v.skip()
			c, err = v.blanks()
		default:
			return v.broken("%q where a comma or bracket is wanted", c)
		}
	}
	switch {
	case err == io.EOF && !v.array:
		v.ended = true
		return io.EOF
	case err == io.EOF:
		return v.broken("the array does not end")
	case err != nil:
		return err
	case c == ',' || c == ']' || c == '}' || c == ':':
		return v.broken("%q where a value is wanted", c)
	}
	return nil
}

// end reads what may follow an array: blanks.
func (v *values) end() error {
	v.skip()
	v.ended = true
	switch c, err := v.blanks(); {
	case err == nil:
		return v.broken("%q behind the array", c)
	default:
		return err
	}
}

// blanks passes over blanks and returns the byte behind them, which stays.
func (v *values) blanks() (byte, error) {
	for {
		c, err := v.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if !isBlank(c) {
			return c, v.in.UnreadByte()
		}
		if c == '\n' {
			v.line++
		}
	}
}

// skip passes over a byte that was looked at.
func (v *values) skip() { _, _ = v.in.Discard(1) }

func (v *values) broken(format string, args ...any) error {
	if v.given == 0 {
		return fmt.Errorf("%s %w: line %d: %s", Clean(v.name), ErrNotJSON, v.line+1, fmt.Sprintf(format, args...))
	}
	return fmt.Errorf("%s: broken JSON in line %d: %s", Clean(v.name), v.line+1, fmt.Sprintf(format, args...))
}

// value reads a value. One that is too long is passed over and told.
func (v *values) value() (text []byte, tooLong, err error) {
	var s span
	for {
		if _, err := v.in.Peek(1); err == io.EOF {
			if s.plain() {
				return text, tooLong, nil // a number at the end of all
			}
			return nil, nil, v.broken("it ends within a value")
		} else if err != nil {
			return nil, nil, err
		}
		chunk, _ := v.in.Peek(v.in.Buffered()) // is there
		n, over := s.scan(chunk)
		v.line += int64(bytes.Count(chunk[:n], []byte("\n")))
		if s.torn {
			return nil, nil, v.broken("a control character within a string")
		}
		if tooLong = v.options.Limits.document("a value", s.size); tooLong == nil {
			text = append(text, chunk[:n]...)
			if err := v.options.room(v.name, int64(cap(text))); err != nil {
				return nil, nil, err
			}
		} else {
			text = nil
		}
		if _, err := v.in.Discard(n); err != nil {
			return nil, nil, err
		}
		if over {
			return text, tooLong, nil
		}
	}
}

// span finds where a value ends that comes in chunks.
type span struct {
	size    int
	depth   int
	quoted  bool // within a string
	escaped bool // behind a backslash
	torn    bool // a string has a control character, most often a line feed
	closed  bool // depth or quoted were not zero before
}

// plain is a value without quotes and brackets, which what follows it ends.
func (s *span) plain() bool { return s.depth == 0 && !s.quoted && !s.closed && s.size > 0 }

// scan returns how many bytes of a chunk belong to the value and whether it is
// over with them.
func (s *span) scan(chunk []byte) (n int, over bool) {
	defer func() { s.size += n }()
	for i, c := range chunk {
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted && c == '\\':
			s.escaped = true
		case s.quoted && c == '"':
			s.quoted = false
		case s.quoted:
			if s.torn = c < ' '; s.torn {
				return i, true
			}
			continue
		case c == '"':
			s.quoted, s.closed = true, true
			continue
		case c == '{' || c == '[':
			s.depth++
			s.closed = true
			continue
		case (c == '}' || c == ']') && s.depth > 0:
			s.depth--
		case s.depth == 0 && (isBlank(c) || c == ',' || c == '}' || c == ']'):
			return i, true
		}
		if s.closed && s.depth == 0 && !s.quoted {
			return i + 1, true
		}
	}
	return len(chunk), false
}
