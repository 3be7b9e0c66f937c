package prepare

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"mobilellm/data/ingest"
	"mobilellm/internal/regular"
)

// item is a record on its way.
type item struct {
	ingest.Record
	at       position
	more     bool  // documents of the same record follow
	replayed bool  // its verdict is remembered, its tokens are in a shard already
	fileErr  error // instead of a record: the file broke off
	ends     bool  // the work, with fileErr
	verdict
}

// batch is the unit that workers take.
type batch struct {
	items []item
	bytes int64 // of their text, with what it takes beside
	done  chan struct{}
}

// batchBytes of text travel together.
const batchBytes = 256 << 10

// source reads the inputs from a position on.
type source struct {
	*Options
	inputs []input
	from   position
	read   atomic.Int64
	ahead  *ahead
}

// run sends batches in order until the inputs end or ctx does. Whoever is through
// with a batch releases its bytes.
func (s *source) run(ctx context.Context, send func(*batch) bool) {
	current := new(batch)
	flush := func() bool {
		if len(current.items) == 0 {
			return true
		}
		current.done = make(chan struct{})
		ok := s.ahead.add(ctx, current.bytes) && send(current)
		current = new(batch)
		return ok
	}
	for number := range s.inputs {
		if number < s.from.File && !s.remembering() {
			s.read.Add(s.inputs[number].Size)
			continue
		}
		err := s.file(number, func(it item) bool {
			current.items = append(current.items, it)
			current.bytes += int64(len(it.Text)) + 64
			return (current.bytes < batchBytes || flush()) && ctx.Err() == nil
		})
		if err != nil {
			broken := item{at: position{File: number}, fileErr: err, Record: ingest.Record{Name: s.inputs[number].Path}}
			broken.ends = !s.SkipBadFiles && (s.inputs[number].named || !isNoText(err))
			if number >= s.from.File {
				current.items = append(current.items, broken)
			}
			if broken.ends {
				break
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
	flush()
}

// isNoText is true of a file that may lie in a folder among others and is left
// out: what is not text or JSON, or no file.
func isNoText(err error) bool {
	return errors.Is(err, ingest.ErrNotText) || errors.Is(err, ingest.ErrNotJSON) || errors.Is(err, regular.ErrSpecial)
}

// file sends the records of one file.
func (s *source) file(number int, yield func(item) bool) error {
	in, err := s.open(s.inputs[number].Path)
	if err != nil {
		return err
	}
	defer in.Close()
	for {
		record, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		it := item{Record: record, at: position{number, record.Place}}
		if it.at.before(s.from) {
			if !s.remembering() {
				continue
			}
			it.replayed = true
		}
		if !yield(it) {
			return nil
		}
	}
}

func (s *source) open(path string) (ingest.Reader, error) {
	o := ingest.Options{Kind: s.Kind, Split: s.Split, Column: s.Column, Separator: s.Separator, Cut: s.Tokenizer.Cut, Read: &s.read}
	if s.filtering() {
		o.PartSize = wholeText
	}
	if path == Stdin {
		if o.Kind == ingest.Auto || o.Kind == "" {
			o.Kind = ingest.Text
		}
		return ingest.NewReader("standard input", s.Stdin, o)
	}
	return ingest.Open(path, o)
}
