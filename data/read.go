package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"mobilellm/data/ingest"
)

// ReadReport counts what was read and what was left out.
type ReadReport struct {
	Files     int
	Documents int
	Bytes     int64
	// Binary and Empty name the files of folders and globs that hold no text.
	Binary, Empty []string
}

// Notes are the report's sentences for a user, one for each kind of file left
// out.
func (r ReadReport) Notes() []string {
	var notes []string
	for _, kind := range []struct {
		name  string
		files []string
	}{{"binary", r.Binary}, {"empty", r.Empty}} {
		if n := len(kind.files); n > 0 {
			notes = append(notes, fmt.Sprintf("data: left out %d %s files, the first is %s", n, kind.name, kind.files[0]))
		}
	}
	return notes
}

var (
	errBinary = errors.New("is not text")
	errEmpty  = errors.New("is empty")
)

// ReadSources reads the documents of files, folders and globs, in the order
// given and sorted by path within each. Folders are read recursively, without
// entries whose names start with a dot. A file that ends in .gz, .bz2 or .zst is unpacked; each line of
// a .jsonl file is a document, its field `text`; any other file is one
// document.
//
// A file named outright that is missing, empty or binary is an error, as is a
// broken gzip file or JSON line anywhere; a binary or empty file met in a
// folder or by a glob is left out and counted in the report.
func ReadSources(ctx context.Context, sources []Source) ([]Document, ReadReport, error) {
	r := reader{ctx: ctx}
	for _, s := range sources {
		if err := r.source(s.Path); err != nil {
			return nil, r.report, err
		}
	}
	r.report.Documents = len(r.docs)
	r.report.Bytes = TextBytes(r.docs)
	return r.docs, r.report, nil
}

type reader struct {
	ctx    context.Context
	docs   []Document
	report ReadReport
}

func (r *reader) source(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return r.folder(path)
	case err == nil:
		if err := r.file(path); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("data: %w", err)
	case !isGlob(path):
		return fmt.Errorf("data: %s does not exist\nhint: check the path given by --data or data.train", path)
	}
	files, err := glob(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if len(files) == 0 {
		return fmt.Errorf("data: %s matches no file\nhint: quote a glob so that the shell leaves it alone", path)
	}
	return r.all(path, files)
}

func (r *reader) folder(root string) error {
	files, err := filesBelow(root)
	if err != nil {
		return err
	}
	return r.all(root, files)
}

// Files lists the files that a path means: itself, those of a folder and the
// folders in it, without entries whose names start with a dot, or those that a
// glob matches; sorted. None is an error.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		files, err := filesBelow(path)
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("data: folder %s holds no file", path)
		}
		return files, err
	case err == nil:
		return []string{path}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data: %w", err)
	case !isGlob(path):
		return nil, fmt.Errorf("data: %s does not exist", path)
	}
	files, err := glob(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("data: %s matches no file\nhint: quote a glob so that the shell leaves it alone", path)
	}
	return files, nil
}

func filesBelow(root string) ([]string, error) {
	real, err := filepath.EvalSymlinks(root) // WalkDir does not follow a link
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	var files []string
	err = filepath.WalkDir(real, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != real && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a dangling link
		}
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			files = append(files, filepath.Join(root, strings.TrimPrefix(path, real)))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return files, nil
}

// all reads the files found under one path, of which some may hold no text.
func (r *reader) all(path string, files []string) error {
	before := len(r.docs)
	for _, file := range files {
		err := r.file(file)
		switch {
		case errors.Is(err, errBinary):
			r.report.Binary = append(r.report.Binary, file)
		case errors.Is(err, errEmpty):
			r.report.Empty = append(r.report.Empty, file)
		case err != nil:
			return fmt.Errorf("data: %w", err)
		}
	}
	if len(r.docs) == before {
		return fmt.Errorf("data: no text in %s (%d files, of them %d binary and %d empty)",
			path, len(files), len(r.report.Binary), len(r.report.Empty))
	}
	return nil
}

func (r *reader) file(path string) error {
	if err := r.ctx.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	text, name, err := readFile(path)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return fmt.Errorf("%s %w", path, errEmpty)
	}
	if why := notText(text); why != "" {
		return fmt.Errorf("%s %w: %s", path, errBinary, why)
	}
	docs := []Document{{Name: path, Text: text}}
	if ext := filepath.Ext(name); ext == ".jsonl" || ext == ".ndjson" {
		if docs, err = readJSONL(path, text); err != nil {
			return err
		}
	}
	r.docs = append(r.docs, docs...)
	r.report.Files++
	return nil
}

// readFile returns a file's bytes, unpacked if need be, and its name without
// the packer's ending.
func readFile(path string) (text []byte, name string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, path, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return nil, path, nil
	}
	unpacked, name, err := ingest.Unpacked(path, file)
	if err != nil {
		return nil, path, err
	}
	defer unpacked.Close()
	if text, err = io.ReadAll(unpacked); err != nil {
		return nil, path, err
	}
	return text, name, nil
}

// sniffBytes of a file tell whether it is text.
const sniffBytes = 64 << 10

// notText says why bytes are no text, "" if they are: a NUL byte, or a tenth
// or more of the characters broken UTF-8. (Western text in Latin-1 stays well
// below that.)
func notText(text []byte) string {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return "it is UTF-16, UTF-8 is needed"
	}
	head := text[:min(len(text), sniffBytes)]
	if at := bytes.IndexByte(head, 0); at >= 0 {
		return fmt.Sprintf("NUL byte at offset %d", at)
	}
	broken, all := 0, 0
	for i := 0; i < len(head); all++ {
		r, width := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && width == 1 {
			broken++
		}
		i += width
	}
	if 10*broken >= all && broken > 3 { // up to 3: a character that the head's end cut
		return fmt.Sprintf("%d of its first %d characters are not UTF-8", broken, all)
	}
	return ""
}
