package ingest

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Object returns the fields of a record that is a JSON object: strings, float64, bool,
// nil, []any and map[string]any. Of a key that comes twice the last value counts.
func (r Record) Object() (map[string]any, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	if !utf8.Valid(r.Text) {
		return nil, fmt.Errorf("%w at byte %d", ErrUTF8, brokenAt(r.Text))
	}
	value, err := wholeValue(r.Text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if value[0] != '{' {
		return nil, fmt.Errorf("%w: no object", ErrDocument)
	}
	fields, _ := valueOf(value).(map[string]any)
	return fields, nil
}

// valueOf is the value of JSON that is sound.
func valueOf(value []byte) any {
	switch value[0] {
	case '"':
		return string(unquote(value[1 : len(value)-1]))
	case '[':
		list := []any{}
		_, _ = eachElement(value, 0, 0, func(inner []byte) { list = append(list, valueOf(inner)) }) // is sound
		return list
	case '{':
		fields := make(map[string]any)
		_, _ = eachMember(value, 0, 0, func(key, inner []byte) { fields[string(unquote(key))] = valueOf(inner) }) // is sound
		return fields
	case 't', 'f':
		return value[0] == 't'
	case 'n':
		return nil
	}
	number, _ := strconv.ParseFloat(string(value), 64) // is sound; infinite beyond the range, as in Python
	return number
}
