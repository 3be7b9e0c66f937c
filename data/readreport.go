package data

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"mobilellm/data/ingest"
	"mobilellm/internal/regular"
	"mobilellm/tokenizer"
)

// ReadReport counts what was read and what was left out.
type ReadReport struct {
	Files     int
	Documents int
	Bytes     int64
	// The files of folders and globs that are left out: those that hold no text,
	// nothing at all or no document that can be read, and what is no file, such as
	// a pipe.
	Binary, Empty, Unreadable, Special []string
	// The lines, items and rows of the files that were read.
	Lines, Items, Rows LineReport
	// Skipped lists each file and record that is left out.
	Skipped []ingest.Skipped
	// BrokenUTF8 names plain texts with bytes that are not UTF-8; they are read as
	// they are.
	BrokenUTF8 []string
	// EndOfTexts is how often the text holds [tokenizer.EndOfText] where no separator makes
	// documents of what lies between.
	EndOfTexts int
}

// LineReport counts the lines of JSON files, or the items of their arrays, or
// the rows of parquet files.
type LineReport struct {
	All, Bad, Empty int
	First           string // bad one, with what is wrong
}

// Notes are the report's sentences for a user, one for each kind of file or line
// left out.
func (r ReadReport) Notes() []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, "data: "+fmt.Sprintf(format, args...)) }
	for _, kind := range []struct {
		name  string
		files []string
	}{{"binary", r.Binary}, {"empty", r.Empty}, {"unreadable", r.Unreadable}, {"special", r.Special}} {
		if n := len(kind.files); n > 0 {
			add("left out %d %s files, the first is %s", n, kind.name, kind.files[0])
		}
	}
	for _, kind := range []struct {
		name  string
		lines LineReport
	}{{"lines", r.Lines}, {"items", r.Items}, {"rows", r.Rows}} {
		if l := kind.lines; l.Bad > 0 {
			add("left out %d of %d %s, the first is %s", l.Bad, l.All, kind.name, l.First)
		}
		if l := kind.lines; l.Empty > 0 {
			add("%d of %d %s are empty", l.Empty, l.All, kind.name)
		}
	}
	if n := len(r.BrokenUTF8); n > 0 {
		add("%d texts hold bytes that are not UTF-8 and are read as they are, the first is %s", n, r.BrokenUTF8[0])
	}
	if r.EndOfTexts > 0 {
		add("the text holds %s %d times; --document-separator '%s' makes documents of what lies between", tokenizer.EndOfText, r.EndOfTexts, tokenizer.EndOfText)
	}
	return notes
}

// add adds what another report counted, but documents and bytes.
func (r *ReadReport) add(o ReadReport) {
	r.Files += o.Files
	r.Binary = append(r.Binary, o.Binary...)
	r.Empty = append(r.Empty, o.Empty...)
	r.Unreadable = append(r.Unreadable, o.Unreadable...)
	r.Special = append(r.Special, o.Special...)
	r.Lines.add(o.Lines)
	r.Items.add(o.Items)
	r.Rows.add(o.Rows)
	r.Skipped = append(r.Skipped, o.Skipped...)
	r.BrokenUTF8 = append(r.BrokenUTF8, o.BrokenUTF8...)
	r.EndOfTexts += o.EndOfTexts
}

func (l *LineReport) add(o LineReport) {
	if l.First == "" {
		l.First = o.First
	}
	l.All, l.Bad, l.Empty = l.All+o.All, l.Bad+o.Bad, l.Empty+o.Empty
}

// inspect looks for what a user should know of the text.
func (r *ReadReport) inspect(docs []Document, separator string) {
	for _, d := range docs {
		if !utf8.Valid(d.Text) {
			r.BrokenUTF8 = append(r.BrokenUTF8, ingest.Clean(d.Name))
		}
		if separator == "" {
			r.EndOfTexts += bytes.Count(d.Text, []byte(tokenizer.EndOfText))
		}
	}
}

// errEmpty is the error of a file without text, errUnreadable that of one of
// whose lines none can be read.
var (
	errEmpty      = errors.New("is empty")
	errUnreadable = errors.New("holds no document")
)

// leaveOut notes a file of a folder that holds no text. It is false of an error
// that has another cause.
func (r *ReadReport) leaveOut(path string, err error) bool {
	name := ingest.Clean(path)
	switch {
	case errors.Is(err, errEmpty): // whose records are listed
		r.Empty = append(r.Empty, name)
		return true
	case errors.Is(err, errUnreadable):
		r.Unreadable = append(r.Unreadable, err.Error())
		return true
	case errors.Is(err, ingest.ErrNotText):
		r.Binary = append(r.Binary, name)
	case errors.Is(err, ingest.ErrNotJSON):
		r.Unreadable = append(r.Unreadable, err.Error())
	case errors.Is(err, regular.ErrSpecial):
		r.Special = append(r.Special, err.Error())
	default:
		return false
	}
	r.Skipped = append(r.Skipped, ingest.SkipFile(path, err))
	return true
}

// leftOut counts the files left out, by kind.
func (r *ReadReport) leftOut() [4]int {
	return [4]int{len(r.Binary), len(r.Empty), len(r.Unreadable), len(r.Special)}
}

// without says how many of so many files were left out since.
func (r *ReadReport) without(files int, since [4]int) string {
	now := r.leftOut()
	text := fmt.Sprintf("%d files, of them %d binary and %d empty", files, now[0]-since[0], now[1]-since[1])
	for i, name := range []string{"unreadable", "special"} {
		if n := now[2+i] - since[2+i]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, name)
		}
	}
	return text
}

// tally counts the records of a file.
type tally struct {
	LineReport
	items   bool // of a JSON array
	skipped []ingest.Skipped
}

// count counts a record and a document of it, which may be unreadable.
func (t *tally) count(d ingest.Record) {
	t.items = d.Item
	switch {
	case d.Err != nil:
		if t.Bad++; t.First == "" {
			t.First = fmt.Sprintf("%s: %s", ingest.Clean(d.Name), d.Reason())
		}
	case len(d.Text) == 0:
		t.Empty++
	default:
		return
	}
	t.skipped = append(t.skipped, d.Skip())
}

// nothing is the error of a file without a document.
func (t *tally) nothing(path string) error {
	name := ingest.Clean(path)
	switch {
	case t.Bad > 0:
		return fmt.Errorf("%s %w: %d of %d %s cannot be read, the first is %s", name, errUnreadable, t.Bad, t.All, t.unit(path), t.First)
	case ingest.KindOf(path) != ingest.Text:
		return fmt.Errorf("%s %w: no %s has text", name, errEmpty, strings.TrimSuffix(t.unit(path), "s"))
	}
	return fmt.Errorf("%s %w", name, errEmpty)
}

// unit is what a file's records are called.
func (t *tally) unit(path string) string {
	switch {
	case t.items:
		return "items"
	case ingest.KindOf(path) == ingest.Parquet:
		return "rows"
	}
	return "lines"
}

// addFile adds what a file's records were counted to.
func (r *ReadReport) addFile(path string, t *tally) {
	r.Files++
	switch {
	case ingest.KindOf(path) == ingest.Text:
	case t.unit(path) == "items":
		r.Items.add(t.LineReport)
	case t.unit(path) == "rows":
		r.Rows.add(t.LineReport)
	default:
		r.Lines.add(t.LineReport)
	}
}
