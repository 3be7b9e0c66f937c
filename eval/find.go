package eval

import (
	"path/filepath"

	"mobilellm/eval/dataset"
)

// Found is what a folder of data sets holds of a source. Each is a file, or a pattern
// that several match; empty for none.
type Found struct {
	Source Source
	File   string
	// Labels are of use with File alone, and File is of none without those it wants.
	Labels string
	// Examples may be missing: Shots are drawn from File then.
	Examples string
}

// Complete says whether the source can be scored.
func (f Found) Complete() bool {
	return f.File != "" && (f.Source.Labels == "" || f.Labels != "")
}

// Find looks for a task's sources in a folder of data sets, in their order; what is not
// there has an empty File.
func (t Task) Find(dir string) []Found {
	found := make([]Found, len(t.Sources))
	for i, source := range t.Sources {
		found[i] = source.find(dir)
	}
	return found
}

// File is the file of the first source that is there with all that it needs.
func (t Task) File(dir string) (string, bool) {
	for _, f := range t.Find(dir) {
		if f.Complete() {
			return f.File, true
		}
	}
	return "", false
}

// find looks below the folder and below a folder eval in it.
func (s Source) find(dir string) Found {
	f := Found{Source: s}
	for _, name := range s.Names {
		for _, root := range []string{dir, filepath.Join(dir, "eval")} {
			file, ok := dataset.Find(filepath.Join(root, filepath.FromSlash(name)))
			if !ok {
				continue
			}
			f.File = file
			if s.Labels != "" {
				f.Labels, _ = dataset.Find(filepath.Join(filepath.Dir(file), s.Labels))
			}
			if s.Examples != "" {
				f.Examples, _ = dataset.Find(filepath.Join(filepath.Dir(file), s.Examples))
			}
			return f
		}
	}
	return f
}
