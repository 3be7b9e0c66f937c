package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Record is a document, or a part of a long one, or a JSON value that may hold
// one.
type Record struct {
	Name  string // the file, with :LINE, [ITEM] or #ROW where it holds many documents
	Place int64  // number of the record in its file, from 0
	Text  []byte
	JSON  bool // Text is JSON, see [Record.AppendDocuments]
	Item  bool // of a JSON array, where a plain string is a document
	First bool // the document begins here
	Last  bool // the document ends here
	Err   error

	cut bool // at separators already
}

var (
	// ErrDocument marks what is wrong with one document.
	ErrDocument = errors.New("unreadable document")
	// ErrUTF8 marks a document of JSON or parquet, which are UTF-8, that is not.
	ErrUTF8 = fmt.Errorf("%w: broken UTF-8", ErrDocument)
)

// Reason is what is wrong with a record, in few words; its Err must not be nil.
func (r Record) Reason() string {
	return strings.TrimPrefix(r.Err.Error(), ErrDocument.Error()+": ")
}

// AppendDocuments appends the documents of a record to dst: the text of a JSON
// value's field, of other records their text, cut at separators unless these are
// empty. There is one at least; what is wrong with it is its Err.
//
// A field's name is taken to the letter, and of a key that comes twice the last
// value counts. A name with dots goes down into objects, unless there is a key
// of the whole name.
func (r Record) AppendDocuments(dst []Record, field, separator string) []Record {
	if r.Err == nil && r.JSON {
		r.Text, r.Err = textOf(r.Text, field, r.Item)
		r.JSON = false
	}
	if r.Err != nil || r.cut || separator == "" {
		return append(dst, r)
	}
	first := len(dst)
	for rest := r.Text; len(rest) > 0; {
		part := r
		part.Text, rest = cutDocument(rest, []byte(separator))
		if len(part.Text) > 0 {
			dst = append(dst, part)
		}
	}
	if len(dst) == first {
		r.Text = nil
		dst = append(dst, r)
	}
	return dst
}

// TokenIDs returns the ids of a JSON object's field, such as the token_ids of
// the paper's code.
func (r Record) TokenIDs(field string) ([]int32, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	value, err := lookUp(r.Text, field)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	var ids []int32
	if err := json.Unmarshal(value, &ids); err != nil || ids == nil {
		return nil, fmt.Errorf("%w: field %q is no list of ids", ErrDocument, field)
	}
	return ids, nil
}

// EachString calls yield with every string of a JSON record but keys.
func (r Record) EachString(yield func(text []byte)) error {
	value, err := wholeValue(r.Text)
	if err == nil {
		eachString(value, yield)
	}
	return err
}

func eachString(value []byte, yield func(text []byte)) {
	switch value[0] {
	case '"':
		yield(unquote(value[1 : len(value)-1]))
	case '[':
		_, _ = eachElement(value, 0, 0, func(inner []byte) { eachString(inner, yield) }) // is sound
	case '{':
		_, _ = eachMember(value, 0, 0, func(_, inner []byte) { eachString(inner, yield) }) // is sound
	}
}

// textOf returns the document that a JSON value holds.
func textOf(raw []byte, field string, item bool) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("%w at byte %d", ErrUTF8, brokenAt(raw))
	}
	var value []byte
	var err error
	if at := skipBlanks(raw, 0); item && at < len(raw) && raw[at] == '"' {
		value, err = wholeValue(raw)
	} else {
		value, err = lookUp(raw, field)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	case string(value) == "null":
		return nil, fmt.Errorf("%w: field %q is null", ErrDocument, field)
	case value[0] != '"':
		return nil, fmt.Errorf("%w: field %q is no string", ErrDocument, field)
	}
	return unquote(value[1 : len(value)-1]), nil
}

// lookUp returns the value of a field of the JSON object that a text is.
func lookUp(raw []byte, field string) ([]byte, error) {
	at := skipBlanks(raw, 0)
	if at >= len(raw) || raw[at] != '{' {
		if _, err := wholeValue(raw); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("no object with a field %q", field)
	}
	head, rest, dotted := strings.Cut(field, ".")
	var exact, inner []byte
	end, err := eachMember(raw, at, 0, func(key, value []byte) {
		switch {
		case keyIs(key, field):
			exact = value
		case dotted && keyIs(key, head):
			inner = value
		}
	})
	if err == nil {
		if end = skipBlanks(raw, end); end < len(raw) {
			err = broken(raw, end, "the end")
		}
	}
	switch {
	case err != nil:
		return nil, err
	case exact != nil:
		return exact, nil
	case inner != nil && inner[0] == '{':
		return lookUp(inner, rest)
	}
	return nil, fmt.Errorf("no field %q%s", field, fieldsOf(raw[at:]))
}

// fieldsOf names the first fields of an object, for a person who took another.
func fieldsOf(object []byte) string {
	var names []string
	_, _ = eachMember(object, 0, 0, func(key, _ []byte) { // is sound
		names = append(names, Clean(string(key)))
	})
	switch {
	case len(names) == 0:
		return ""
	case len(names) > 5:
		names = append(names[:5], "…")
	}
	return ", there is " + strings.Join(names, ", ")
}

// brokenAt is the place of the first byte that is not UTF-8.
func brokenAt(text []byte) int {
	at := 0
	for at < len(text) {
		r, width := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && width == 1 {
			break
		}
		at += width
	}
	return at
}

var utf8BOM = []byte("\ufeff")

// withoutBOM is a text without the mark that some programs begin UTF-8 with.
func withoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, utf8BOM) }
