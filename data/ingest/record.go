package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Record is a document, or a part of a long one.
type Record struct {
	Name  string // the file, with :LINE or #ROW where it holds many documents
	Place int64  // number of the document in its file, from 0
	Text  []byte
	JSON  bool // Text is a JSON line, see [Record.Decode]
	First bool // the document begins here
	Last  bool // the document ends here
	Err   error
}

// ErrDocument marks what is wrong with one document.
var ErrDocument = errors.New("unreadable document")

// Decode replaces a JSON line by the text of its field; a name with dots goes
// down into objects. Other records stay as they are.
func (r *Record) Decode(field string) error {
	if r.Err != nil || !r.JSON {
		return r.Err
	}
	value, err := lookUp(r.Text, field)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	var text *string
	if err := json.Unmarshal(value, &text); err != nil {
		return fmt.Errorf("%w: field %q is no string", ErrDocument, field)
	}
	if text == nil {
		return fmt.Errorf("%w: field %q is null", ErrDocument, field)
	}
	r.Text, r.JSON = []byte(*text), false
	return nil
}

// TokenIDs returns the ids of a JSON line's field, such as the token_ids of
// the paper's code.
func (r *Record) TokenIDs(field string) ([]int32, error) {
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

// lookUp returns the value of a field of a JSON object.
func lookUp(line []byte, field string) (json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return nil, fmt.Errorf("broken JSON: %w", err)
	}
	if value, ok := object[field]; ok {
		return value, nil
	}
	if head, rest, ok := bytes.Cut([]byte(field), []byte(".")); ok {
		if inner, ok := object[string(head)]; ok {
			return lookUp(inner, string(rest))
		}
	}
	return nil, fmt.Errorf("no field %q", field)
}
