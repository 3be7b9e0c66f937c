package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Files lists the files that a path means: itself, those of a folder and the
// folders in it, without entries whose names start with a dot, or those that a
// glob matches; sorted. None is an error.
//
// Links in a folder are followed, to files and to folders; a file or folder to
// which several ways lead is listed once, by the way without links if there is
// one. Pipes, sockets and devices are listed too: [Open] refuses them. What lies
// in the folders leaveOut, or is one of them, is not, unless path lies there
// itself.
func Files(path string, leaveOut ...string) ([]string, error) {
	info, err := os.Stat(path)
	var files []string
	switch {
	case err == nil && info.IsDir():
		if files, err = filesBelow(path, leaveOut); err == nil && len(files) == 0 {
			err = fmt.Errorf("no text in %s (0 files)", Clean(path))
		}
	case err == nil:
		files = []string{path}
	case !errors.Is(err, fs.ErrNotExist):
		err = cleaned(err)
	case !isGlob(path):
		err = missing(path)
	default:
		if files, err = glob(path); err == nil {
			root, _ := globRoot(path)
			files = omitted(root, leaveOut).from(files)
		}
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("%s matches no file\nhint: quote a glob so that the shell leaves it alone", Clean(path))
		}
	}
	return files, err
}

func filesBelow(root string, leaveOut []string) ([]string, error) {
	w := walk{omit: omitted(root, leaveOut), folders: make(map[string]bool), files: make(map[string]string)}
	if err := w.folder(root); err != nil {
		return nil, cleaned(err)
	}
	for len(w.links) > 0 {
		link := w.links[0]
		w.links = w.links[1:]
		if err := w.follow(link); err != nil {
			return nil, cleaned(err)
		}
	}
	files := make([]string, 0, len(w.files))
	for _, name := range w.files {
		files = append(files, name)
	}
	slices.SortFunc(files, comparePaths)
	return files, nil
}

// comparePaths orders paths by their parts, so that a folder's files stay together.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == filepath.Separator:
			return -1
		case b[i] == filepath.Separator:
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// walk goes through folders, links last.
type walk struct {
	omit    omit
	folders map[string]bool   // real paths that were gone through
	files   map[string]string // names by real path
	links   []string
}

// folder adds what lies below a folder, by whatever name it is called.
func (w *walk) folder(name string) error {
	real, err := realPath(name)
	if err != nil {
		return err
	}
	return filepath.WalkDir(real, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != real && strings.HasPrefix(entry.Name(), ".") || w.omit.has(path) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		named := filepath.Join(name, strings.TrimPrefix(path, real))
		switch {
		case entry.IsDir() && w.folders[path]:
			return fs.SkipDir
		case entry.IsDir():
			w.folders[path] = true
		case entry.Type()&fs.ModeSymlink != 0:
			w.links = append(w.links, named)
		case w.files[path] == "":
			w.files[path] = named
		}
		return nil
	})
}

// follow adds what a link leads to unless it is there already.
func (w *walk) follow(link string) error {
	info, err := os.Stat(link)
	if leadsNowhere(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return w.folder(link)
	}
	real, err := realPath(link)
	if err != nil {
		return err
	}
	if w.files[real] == "" && !w.omit.has(real) {
		w.files[real] = link
	}
	return nil
}

// leadsNowhere says whether an error of os.Stat is that of a link to nothing.
func leadsNowhere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP)
}

// realPath is absolute and without links.
func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(real)
}

// omit are the real paths of folders and files to leave out.
type omit []string

// omitted are those of paths that are there and do not hold root.
func omitted(root string, paths []string) omit {
	var o omit
	if real, err := realPath(root); err == nil {
		root = real
	}
	for _, path := range paths {
		if real, err := realPath(path); err == nil && !isBelow(root, real) {
			o = append(o, real)
		}
	}
	return o
}

// isBelow says whether a path is a folder or lies in it.
func isBelow(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(folder, string(filepath.Separator)))
	return ok && (rest == "" || rest[0] == filepath.Separator)
}

func (o omit) has(real string) bool {
	return slices.ContainsFunc(o, func(folder string) bool { return isBelow(real, folder) })
}

// from is files without those to leave out.
func (o omit) from(files []string) []string {
	if len(o) == 0 {
		return files
	}
	return slices.DeleteFunc(files, func(file string) bool {
		real, err := realPath(file)
		return err == nil && o.has(real)
	})
}
