package ingest

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"mobilellm/internal/hint"
)

// Clean is a file's name for messages: what a terminal would act on or hide
// (control characters, direction marks, bytes that are not UTF-8) is escaped as
// in a Go string.
func Clean(name string) string {
	if strings.IndexFunc(name, hidden) < 0 {
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		r, width := utf8.DecodeRuneInString(name[i:])
		if part := name[i : i+width]; hidden(r) {
			quoted := strconv.Quote(part)
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteString(part)
		}
		i += width
	}
	return out.String()
}

// hidden is true of U+FFFD too, which stands for broken bytes.
func hidden(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// cleaned is an error of the file system with the names in it cleaned.
func cleaned(err error) error {
	var e *fs.PathError
	if !errors.As(err, &e) {
		return err
	}
	return &fs.PathError{Op: e.Op, Path: Clean(e.Path), Err: e.Err}
}

// missing is the error for a path where nothing is; it is fs.ErrNotExist.
type missing string

func (m missing) Error() string {
	if remote := hint.Remote(string(m), hint.Data); remote != "" {
		return remote
	}
	return Clean(string(m)) + " does not exist"
}

// Is makes errors.Is(err, fs.ErrNotExist) true.
func (m missing) Is(target error) bool { return target == fs.ErrNotExist }
