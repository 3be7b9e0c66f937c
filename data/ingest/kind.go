package ingest

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
)

// Kind is how a file holds documents.
type Kind string

// The kinds of files.
const (
	Auto    Kind = "auto" // by the name's ending; plain text where it says nothing
	Text    Kind = "text"
	JSONL   Kind = "jsonl" // an object a line, or an array
	JSON    Kind = "json"  // an array, or objects, a line or more each
	Parquet Kind = "parquet"
)

// KindOf tells a file's kind by its name, whatever the case of its endings.
func KindOf(name string) Kind {
	_, name = packed(name)
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jsonl", ".ndjson":
		return JSONL
	case ".json":
		return JSON
	case ".parquet":
		return Parquet
	}
	return Text
}

// IsPacked says whether a file's text takes less room in it than in memory: by the
// ending of a packer, or a table's.
func IsPacked(name string) bool {
	kind, _ := packed(name)
	return kind != "" || KindOf(name) == Parquet
}

// layout is how values lie in a file of JSON.
type layout int

const (
	valueLines layout = iota // a value a line
	valueArray               // an array of values
	valueRuns                // values that follow each other, over several lines
)

// layoutOf tells the layout by a file's beginning: where its first line is a whole
// value and another follows, each line is; an array begins with a bracket. Only a
// .json file may hold an object that goes over several lines: in others the line is
// broken.
func layoutOf(kind Kind, head []byte) layout {
	head = withoutBOM(head)
	head = head[skipBlanks(head, 0):]
	if len(head) == 0 {
		return valueLines
	}
	line, rest, more := bytes.Cut(head, []byte("\n"))
	rest = rest[skipBlanks(rest, 0):]
	_, err := wholeValue(line)
	switch {
	case head[0] == '[' && (err != nil || len(rest) == 0):
		return valueArray
	case kind != JSON || head[0] != '{' || err == nil || !more || !errors.Is(err, errCutShort):
		return valueLines
	case len(rest) > 0 && rest[0] == '{':
		return valueLines // the first line is cut short, another follows
	}
	return valueRuns
}
