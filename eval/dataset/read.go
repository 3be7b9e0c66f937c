package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"

	"mobilellm/data/ingest"
)

// Records are a data set's, in order; the first error ends them.
type Records = iter.Seq2[*Record, error]

// Objects reads the JSON objects or parquet rows of a file, of those that a glob matches,
// or of those in a folder. A file whose name says nothing is JSON.
func Objects(path string) Records {
	return func(yield func(*Record, error) bool) {
		for raw, err := range ingested(path, ingest.Options{Rows: true}) {
			if err != nil {
				yield(nil, err)
				return
			}
			fields, err := raw.Object()
			if err != nil {
				raw.Err = err
				yield(nil, fmt.Errorf("%s: item %d: %s", raw.Name, raw.Place, raw.Reason()))
				return
			}
			if !yield(NewRecord(raw.Name, fields), nil) {
				return
			}
		}
	}
}

// Lines reads the lines of a text file that are not blank; what is a line's record has it
// as field "line".
func Lines(path string) Records {
	return func(yield func(*Record, error) bool) {
		for raw, err := range ingested(path, ingest.Options{Kind: ingest.Text, Split: ingest.ByLine}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(NewRecord(raw.Name, map[string]any{"line": string(raw.Text)}), nil) {
				return
			}
		}
	}
}

// Text reads a text file whole. A folder or a pattern that has several is an error.
func Text(path string) (string, error) {
	text, n := "", 0
	for raw, err := range ingested(path, ingest.Options{Kind: ingest.Text}) {
		if n++; n > 1 {
			err = fmt.Errorf("%s: has more than one text, want one file", ingest.Clean(path))
		}
		if err != nil {
			return "", err
		}
		text = string(raw.Text)
	}
	if n == 0 {
		return "", fmt.Errorf("%s: no text", ingest.Clean(path))
	}
	return text, nil
}

// ingested gives the raw records of files.
func ingested(path string, o ingest.Options) iter.Seq2[ingest.Record, error] {
	return func(yield func(ingest.Record, error) bool) {
		files, err := ingest.Files(path)
		if err != nil {
			yield(ingest.Record{}, err)
			return
		}
		place := int64(0)
		for _, file := range files {
			o := o
			if o.Kind = kindOf(file, o.Kind); !eachOf(file, o, &place, yield) {
				return
			}
		}
	}
}

func kindOf(file string, kind ingest.Kind) ingest.Kind {
	if kind == "" && ingest.KindOf(file) == ingest.Text {
		return ingest.JSON
	}
	return kind
}

// eachOf gives the records of one file, numbered on, and says whether to go on.
func eachOf(file string, o ingest.Options, place *int64, yield func(ingest.Record, error) bool) bool {
	in, err := ingest.Open(file, o)
	if err != nil {
		yield(ingest.Record{}, err)
		return false
	}
	defer in.Close()
	for {
		raw, err := in.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return true
		}
		if err == nil && raw.Err != nil {
			err = fmt.Errorf("%s: item %d: %s", raw.Name, *place, raw.Reason())
		}
		if err != nil {
			yield(ingest.Record{}, err)
			return false
		}
		raw.Name = ingest.Clean(raw.Name)
		raw.Place = *place
		*place++
		if !yield(raw, nil) {
			return false
		}
	}
}

// Labelled is Objects for data sets that keep labels beside the records: those of
// valid.jsonl, packed or not, in valid-labels.lst, a label a line. They become the field
// "label" of records that have none.
func Labelled(path string) Records {
	return func(yield func(*Record, error) bool) {
		file, ok := Find(LabelFile(path))
		if !ok {
			file = LabelFile(path)
		}
		labels, stop := iter.Pull2(Lines(file))
		defer stop()
		asked := false
		for r, err := range Objects(path) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !r.Has("label") {
				asked = true
				if err := addLabel(r, file, labels); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(r, nil) {
				return
			}
		}
		if !asked {
			return
		}
		if extra, _, ok := labels(); ok && extra != nil {
			yield(nil, fmt.Errorf("%s: a label beyond the last record of %s", extra.Name, ingest.Clean(path)))
		}
	}
}

// addLabel gives a record the next label of a file.
func addLabel(r *Record, file string, labels func() (*Record, error, bool)) error {
	label, err, ok := labels()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.absent = ingest.Clean(file)
		return nil
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%s: no label for it in %s", r.Name, ingest.Clean(file))
	}
	r.Fields["label"] = strings.TrimSpace(label.Text("line"))
	return nil
}

// LabelFile is the file that holds the labels of another: valid-labels.lst that of
// valid.jsonl.gz.
func LabelFile(path string) string {
	dir, name := filepath.Split(path)
	stem, _, _ := strings.Cut(name, ".")
	return filepath.Join(dir, stem+"-labels.lst")
}
