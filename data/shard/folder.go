package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mobilellm/internal/atomicfile"
)

// Folder lists the shards of a folder in the order of the text, none where it holds
// none. A folder is taken whole or not: its manifest must say that it is complete and
// name exactly the shards that are there, by their checksums. In a folder that another
// program filled and that has no manifest, numbers in the shards' names must leave no
// gap.
func Folder(dir string) (paths []string, err error) {
	names, begun, err := list(dir)
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	err = ReadManifest(dir, m)
	switch {
	case errors.Is(err, fs.ErrNotExist), len(names)+len(begun) == 0 && (err != nil || !m.ours()):
		err = withoutManifest(dir, names, begun) // or one of something else than shards
	case err == nil:
		names, err = m.check(dir, names)
	}
	if err != nil {
		return nil, err
	}
	return within(dir, names), nil
}

// Files lists all shards of a folder by their names, whether it is whole or not.
func Files(dir string) (paths []string, err error) {
	names, _, err := list(dir)
	return within(dir, names), err
}

func within(dir string, names []string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// earlierPartial ended the name of a shard that was being written by earlier versions.
const earlierPartial = ".partial"

// list returns the names of a folder's shards, and of those being written.
func list(dir string) (names, begun []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, Extension):
			names = append(names, name)
		case atomicfile.Temporary(name) && strings.Contains(name, Extension+"."), strings.HasSuffix(name, Extension+earlierPartial):
			begun = append(begun, name)
		}
	}
	return names, begun, nil
}

// ours says whether a manifest is of shards.
func (m *Manifest) ours() bool { return m.Tokenizer != "" && m.Settings != "" }

// check holds a folder to its manifest and returns the shards in its order.
func (m *Manifest) check(dir string, names []string) (ordered []string, err error) {
	if !m.Complete {
		return nil, incomplete(dir, ManifestName+" says so")
	}
	var errs []error
	for _, r := range m.Shards {
		at := slices.Index(names, r.File)
		switch {
		case slices.Contains(ordered, r.File):
			errs = append(errs, fmt.Errorf("folder %s: %s names %s twice", dir, ManifestName, r.File))
		case at < 0:
			errs = append(errs, fmt.Errorf("folder %s lacks %s, which its %s names\nhint: copy the folder again, or name the single shards", dir, r.File, ManifestName))
		default:
			ordered = append(ordered, r.File)
			errs = append(errs, m.compare(filepath.Join(dir, r.File), r))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(m.Shards, func(r Record) bool { return r.File == name }) {
			errs = append(errs, fmt.Errorf("folder %s holds %s, which its %s does not name\nhint: move it elsewhere, or name the single shards", dir, name, ManifestName))
		}
	}
	return ordered, errors.Join(errs...)
}

// compare holds a shard to its record.
func (m *Manifest) compare(path string, r Record) error {
	info, err := Stat(path)
	switch {
	case err != nil:
		return err
	case info.Sum != r.SHA256:
		return fmt.Errorf("shard %s: checksum %s, the manifest says %s\nhint: it is of other text; copy the folder again", path, info.Sum, r.SHA256)
	case info.Tokenizer != m.Tokenizer:
		return fmt.Errorf("shard %s: tokenizer %s, the manifest says %s", path, info.Tokenizer, m.Tokenizer)
	}
	return nil
}

func incomplete(dir, why string) error {
	return fmt.Errorf("folder %s is not complete: %s\nhint: start mobilellm-data tokenize again with the same arguments", dir, why)
}

// numbered is a shard's name with a number, and perhaps how many there are.
var numbered = regexp.MustCompile(`^(.*?)([0-9]+)(?:-of-([0-9]+))?` + regexp.QuoteMeta(Extension) + `$`)

// withoutManifest looks for what is missing by the names of the shards alone.
func withoutManifest(dir string, names, begun []string) error {
	if len(begun) > 0 {
		return incomplete(dir, begun[0]+" is being written")
	}
	groups := map[string][]int64{} // numbers by what stands before and behind them
	var order []string
	for _, name := range names {
		parts := numbered.FindStringSubmatch(name)
		if parts == nil {
			continue
		}
		n, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			continue // too long to count
		}
		key := parts[1] + "\x00" + parts[3]
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], n)
	}
	for _, key := range order {
		if err := unbroken(dir, key, groups[key]); err != nil {
			return err
		}
	}
	return nil
}

// unbroken is an error where numbers do not follow each other, or are not as many as
// the names say.
func unbroken(dir, key string, numbers []int64) error {
	slices.Sort(numbers)
	before, count, _ := strings.Cut(key, "\x00")
	for i, n := range numbers[1:] {
		if n > numbers[i]+1 {
			return gap(dir, before, fmt.Sprintf("number %d follows %d", n, numbers[i]))
		}
	}
	if of, err := strconv.ParseInt(count, 10, 64); err == nil && int64(len(numbers)) != of {
		return gap(dir, before, fmt.Sprintf("there are %d of %d", len(numbers), of))
	}
	return nil
}

func gap(dir, before, why string) error {
	return fmt.Errorf("folder %s lacks shards: of %s…%s %s, and no %s says that these are all\nhint: copy the folder again, or name the single shards", dir, before, Extension, why, ManifestName)
}

// Name is that of the shard number i (from 0) of a folder.
func Name(i int) string { return fmt.Sprintf("tokens-%05d"+Extension, i) }
