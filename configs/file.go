package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"mobilellm/internal/hint"
)

// maxFileBytes bounds a config: a larger file is another kind of file.
const maxFileBytes = 1 << 20

// embeddedLabel begins the label of an embedded config.
const embeddedLabel = "embedded:"

// file is the text of a config.
type file struct {
	label  string // how messages name it
	folder string // where its extends: looks first; "" for an embedded file
	id     string // equal for equal files
	text   []byte
}

// openConfig finds a config by name: a path, then an embedded config. from is the
// file that extends it, nil for the one the user named.
func openConfig(name string, from *file) (*file, error) {
	if name == "" {
		return nil, errors.New("the name of a config is empty")
	}
	names := spellings(name)
	if from == nil || from.folder != "" {
		for _, path := range names {
			if from != nil && !filepath.IsAbs(path) {
				path = filepath.Join(from.folder, path)
			}
			f, err := openPath(path)
			if err != nil {
				return nil, err
			}
			// A file may extend the embedded config whose name it has.
			if f != nil && (from == nil || f.id != from.id || !isEmbedded(names)) {
				return f, nil
			}
		}
	}
	for _, path := range names {
		if text, err := embedded.ReadFile(path); err == nil {
			label := embeddedLabel + path
			return &file{label: label, id: label, text: text}, nil
		}
	}
	return nil, unknownConfig(name)
}

// openPath reads the file at path, nil where there is none or it is a folder.
func openPath(path string) (*file, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s: the file is larger than %d bytes, too large for a config", path, maxFileBytes)
	}
	id, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", path, err)
	}
	if real, err := filepath.EvalSymlinks(id); err == nil {
		id = real
	}
	return &file{label: path, folder: filepath.Dir(path), id: id, text: text}, nil
}

func isEmbedded(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.Contains(Names(), name)
	})
}

func unknownConfig(name string) error {
	what := "no such file or embedded config"
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		what = "a folder, and no embedded config has that name"
	}
	names := Names()
	guess, _ := hint.Nearest(filepath.Base(spellings(name)[len(spellings(name))-1]), names)
	return fmt.Errorf("config %q: %s: did you mean %q?\nhint: embedded configs are %s", name, what, guess, strings.Join(names, ", "))
}

// checkText reports the first byte that no YAML file holds.
func (f *file) checkText() error {
	line := 1
	for i := 0; i < len(f.text); {
		r, size := utf8.DecodeRune(f.text[i:])
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1:
			return fmt.Errorf("%s:%d: byte 0x%02x is not UTF-8 text", f.label, line, f.text[i])
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return fmt.Errorf("%s:%d: byte 0x%02x is not text", f.label, line, f.text[i])
		}
		i += size
	}
	return nil
}
