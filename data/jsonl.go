package data

import (
	"bytes"
	"encoding/json"
	"fmt"
)

var utf8BOM = []byte("\ufeff")

// readJSONL returns a document for each line's field `text`. Blank lines and
// empty texts are passed over; a line that is no JSON object, or has no such
// field, is an error with its number.
func readJSONL(path string, text []byte) ([]Document, error) {
	var docs []Document
	text = bytes.TrimPrefix(text, utf8BOM)
	for number := 1; len(text) > 0; number++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var record struct {
			Text *string `json:"text"`
		}
		if err := json.Unmarshal(line, &record); err != nil {
			return nil, fmt.Errorf("%s:%d: broken JSON line: %w", path, number, err)
		}
		if record.Text == nil {
			return nil, fmt.Errorf("%s:%d: no field \"text\"", path, number)
		}
		if *record.Text != "" {
			docs = append(docs, Document{Name: fmt.Sprintf("%s:%d", path, number), Text: []byte(*record.Text)})
		}
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("%s %w: no line has text", path, errEmpty)
	}
	return docs, nil
}
