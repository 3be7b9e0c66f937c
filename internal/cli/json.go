package cli

import (
	"encoding/json"
	"io"
)

// PrintJSON writes a result as an indented JSON object.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
