package ingest

import (
	"errors"

	"mobilellm/internal/regular"
)

// SkippedName is the file that lists what was left out, a [Skipped] a line.
const SkippedName = "skipped.jsonl"

// Skipped is a document, or a file, that was left out.
type Skipped struct {
	Document string `json:"document"`
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
}

// Reasons for which what was read is left out.
const (
	ReasonUnreadable = "unreadable"
	ReasonUTF8       = "utf-8"
	ReasonEmpty      = "empty"
	ReasonBinary     = "binary"
	ReasonSpecial    = "special"
	ReasonFile       = "file"      // breaks off
	ReasonUnlearned  = "unlearned" // nothing of a conversation is supervised
)

// Skip is the line of a record that cannot be read, or of a whole one without text.
func (r Record) Skip() Skipped {
	switch {
	case r.Err == nil:
		return Skipped{r.Name, ReasonEmpty, "no text"}
	case errors.Is(r.Err, ErrUTF8):
		return Skipped{r.Name, ReasonUTF8, r.Reason()}
	}
	return Skipped{r.Name, ReasonUnreadable, r.Reason()}
}

// SkipFile is the line of a file that is not read, or not to its end.
func SkipFile(path string, err error) Skipped {
	reason := ReasonFile
	switch {
	case errors.Is(err, ErrNotText):
		reason = ReasonBinary
	case errors.Is(err, ErrNotJSON):
		reason = ReasonUnreadable
	case errors.Is(err, regular.ErrSpecial):
		reason = ReasonSpecial
	}
	return Skipped{path, reason, err.Error()}
}
