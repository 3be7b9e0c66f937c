package ingest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// isGlob says whether path has a glob's special characters.
func isGlob(path string) bool { return strings.ContainsAny(path, "*?[") }

// glob returns the files that a pattern matches, sorted. A segment `**`
// stands for any number of folders, as in a shell with globstar; it does not
// follow links. A file that is also matched through a link is named once.
func glob(pattern string) ([]string, error) {
	found, err := matches(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Clean(pattern), cleaned(err))
	}
	own := make(map[string]bool, len(found)) // real paths of what is not a link
	for _, path := range found {
		if !isLink(path) {
			if real, err := realPath(path); err == nil {
				own[real] = true
			}
		}
	}
	return slices.DeleteFunc(found, func(path string) bool {
		if !isLink(path) {
			return false
		}
		if _, err := os.Stat(path); err != nil {
			return leadsNowhere(err)
		}
		real, err := realPath(path)
		known := err == nil && own[real]
		own[real] = true
		return known
	}), nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func matches(pattern string) ([]string, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	if !strings.Contains(pattern, "**") {
		found, err := filepath.Glob(pattern)
		return slices.DeleteFunc(found, isFolder), err
	}
	root, segments := globRoot(pattern)
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if matchSegments(segments, strings.Split(filepath.ToSlash(relative), "/")) {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}

// globRoot cuts a pattern into the folder before its first special character and
// the segments behind it.
func globRoot(pattern string) (root string, segments []string) {
	segments = strings.Split(filepath.ToSlash(filepath.Clean(pattern)), "/")
	fixed := slices.IndexFunc(segments, isGlob)
	switch root = strings.Join(segments[:fixed], "/"); {
	case fixed == 0:
		root = "."
	case root == "":
		root = "/"
	}
	return filepath.FromSlash(root), segments[fixed:]
}

func matchSegments(pattern, path []string) bool {
	if len(pattern) == 0 {
		return len(path) == 0
	}
	if pattern[0] == "**" {
		return matchSegments(pattern[1:], path) || len(path) > 0 && matchSegments(pattern, path[1:])
	}
	if len(path) == 0 {
		return false
	}
	ok, err := filepath.Match(pattern[0], path[0])
	return err == nil && ok && matchSegments(pattern[1:], path[1:])
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
