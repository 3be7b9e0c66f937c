package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/data/conversation"
	"mobilellm/data/ingest"
	"mobilellm/data/shard"
)

// Reading says how documents are taken from files; the zero value is that of
// [DefaultConfig].
type Reading struct {
	Field     string   // of JSON that is the text, empty for text; dots go down
	Column    string   // of parquet files, empty for text
	Separator string   // between documents of one text, empty for none
	LeaveOut  []string // folders and files that are not read where they lie in a source
	// MaxText is how many bytes of text memory has room for; more end the reading.
	// 0 is no bound.
	MaxText int64
	// Objects makes each JSON object, and each row of a table, a document as it is.
	Objects bool
	// Old is the rule of [StartOld]: token shards among the files are no text, and no
	// mistake.
	Old bool
}

// readingOf is how a run reads a source.
func (c Config) readingOf(s Source, o LoadOptions) Reading {
	how := c.reading(o)
	how.Objects = c.kind(s) != conversation.Text
	return how
}

// reading is how a run reads text.
func (c Config) reading(o LoadOptions) Reading {
	return Reading{Field: c.Field, Column: c.Column, Separator: c.DocumentSeparator, LeaveOut: o.LeaveOut, MaxText: o.MaxText, Old: c.old()}
}

// ReadSources reads the documents of files, folders and globs, in the order
// given and sorted by path within each, as [ingest.Files] lists them and package
// ingest reads them: a plain file is one document, of JSON and parquet files each
// line, item or row is one, separators make more of each.
//
// A file named outright that is missing, empty, binary or without a readable
// document is an error, as is a broken gzip file anywhere; such a file met in a
// folder or by a glob is left out and counted in the report, and so is a line or
// row that cannot be read.
func ReadSources(ctx context.Context, sources []Source, how Reading) ([]Document, ReadReport, error) {
	r := reader{ctx: ctx, how: how}
	for _, s := range sources {
		if err := r.source(s.Path); err != nil {
			return nil, r.report, fmt.Errorf("data: %w", err)
		}
	}
	r.report.Documents = len(r.docs)
	r.report.Bytes = TextBytes(r.docs)
	if !how.Objects {
		r.report.inspect(r.docs, how.Separator)
	}
	return r.docs, r.report, nil
}

type reader struct {
	ctx    context.Context
	how    Reading
	docs   []Document
	bytes  int64 // of their text
	report ReadReport

	parts []ingest.Record // scratch
}

func (r *reader) source(path string) error {
	files, err := ingest.Files(path, r.how.LeaveOut...)
	if errors.Is(err, fs.ErrNotExist) && !strings.Contains(err.Error(), "\nhint: ") {
		return fmt.Errorf("%w\nhint: check the path given by --data or data.train", err)
	}
	if err != nil {
		return err
	}
	if slices.Equal(files, []string{path}) {
		return r.file(path)
	}
	return r.all(path, files)
}

// all reads the files found under one path, of which some may hold no text.
func (r *reader) all(path string, files []string) error {
	before, leftOut := len(r.docs), r.report.leftOut()
	var first error
	for _, file := range files {
		if !r.how.Old && filepath.Ext(file) == shard.Extension && shard.IsShard(file) { // beside it lie no texts, but its tokenizer
			return fmt.Errorf("token shards lie in %s, and %s is read as text\nhint: name the folder of the shards", ingest.Clean(filepath.Dir(file)), ingest.Clean(path))
		}
		err := r.file(file)
		if err != nil && !r.report.leaveOut(file, err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	if len(r.docs) == before {
		return fmt.Errorf("no text in %s (%s): the first, %w", ingest.Clean(path), r.report.without(len(files), leftOut), first)
	}
	return nil
}

// file reads a file, of which one document at least must be readable.
func (r *reader) file(path string) error {
	if r.how.Objects && ingest.KindOf(path) == ingest.Text {
		return fmt.Errorf("%s %w: conversations are read from .json, .jsonl and .parquet", ingest.Clean(path), ingest.ErrNotJSON)
	}
	in, err := ingest.Open(path, ingest.Options{Column: r.column(), Rows: r.how.Objects, Separator: r.how.Separator, Memory: r.room()})
	if err != nil {
		return err
	}
	defer in.Close()
	before, t := len(r.docs), new(tally)
	for {
		if err := r.ctx.Err(); err != nil {
			return fmt.Errorf("reading %s: %w", ingest.Clean(path), err)
		}
		record, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = r.record(record, t)
		}
		if errors.Is(err, ingest.ErrMemory) {
			err = fmt.Errorf("%w, %.3g GB\nhint: mobilellm-data tokenize makes token shards of text of any size", err, float64(r.how.MaxText)/1e9)
		}
		if err != nil {
			return err
		}
	}
	r.report.Skipped = append(r.report.Skipped, t.skipped...)
	if len(r.docs) == before {
		return t.nothing(path)
	}
	r.report.addFile(path, t)
	return nil
}

// record adds the documents of a record.
func (r *reader) record(record ingest.Record, t *tally) error {
	if r.how.Objects {
		if record.Err == nil {
			_, record.Err = record.Object()
		}
		r.parts = append(r.parts[:0], record)
	} else {
		r.parts = record.AppendDocuments(r.parts[:0], r.field(), r.how.Separator)
	}
	t.All++
	for _, d := range r.parts {
		t.count(d)
		if d.Err == nil && len(d.Text) > 0 {
			r.docs = append(r.docs, Document{Name: d.Name, Text: d.Text})
			r.bytes += int64(len(d.Text))
		}
	}
	if r.how.MaxText > 0 && r.bytes > r.how.MaxText {
		return fmt.Errorf("%s: %w", ingest.Clean(record.Name), ingest.ErrMemory)
	}
	return nil
}

// room is what is left for the text of one more file, 0 without a bound.
func (r *reader) room() int64 {
	if r.how.MaxText == 0 {
		return 0
	}
	return max(1, r.how.MaxText-r.bytes)
}

func (r *reader) field() string { return textUnless(r.how.Field) }

func (r *reader) column() string { return textUnless(r.how.Column) }

// textUnless is the usual name of the field or column of text, unless another is
// given.
func textUnless(name string) string {
	if name == "" {
		return TextField
	}
	return name
}
