package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/atomicfile"
)

// bestName is the symbolic link to the best checkpoint, so that any command
// takes runs/NAME/checkpoints/best as a model folder.
const bestName = "best"

// MarkBest marks a saved checkpoint, by its name, as the run's best. The mark
// changes from one to the other at once.
func MarkBest(dir, name string) error {
	if _, ok := parseStep(name); !ok {
		return fmt.Errorf("marking the best checkpoint: %q is no checkpoint's name", name)
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("marking the best checkpoint: %w", err)
	}
	tmp := filepath.Join(dir, tmpPrefix+bestName)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("marking the best checkpoint: %w", err)
	}
	if err := os.Symlink(name, tmp); err != nil {
		return fmt.Errorf("marking the best checkpoint: %w", err)
	}
	link := filepath.Join(dir, bestName)
	if info, err := os.Lstat(link); err == nil && info.IsDir() { // copying a run makes a folder of the link
		aside := filepath.Join(dir, damagedPrefix+bestName)
		if err := errors.Join(os.RemoveAll(aside), os.Rename(link, aside)); err != nil {
			return fmt.Errorf("marking the best checkpoint: %w", err)
		}
	}
	if err := os.Rename(tmp, link); err != nil {
		return fmt.Errorf("marking the best checkpoint: %w", err)
	}
	return atomicfile.SyncFolder(dir)
}

// Best returns the checkpoint that is marked as the best. Its error wraps
// [ErrNone] where none is marked, or what is marked is no checkpoint that is there:
// copying a run's folder may make a folder of the link, or leave it dangling.
func Best(dir string) (Entry, error) {
	none := fmt.Errorf("%w is marked as the best in %s", ErrNone, dir)
	name, err := os.Readlink(filepath.Join(dir, bestName))
	if err != nil {
		return Entry{}, none
	}
	step, ok := parseStep(name)
	if !ok {
		return Entry{}, none
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return Entry{}, none
	}
	return Entry{name, path, step}, nil
}

// Prune removes old checkpoints and returns the names of those removed. It keeps
// the last keep of them (all where keep is 0, the newest at least), those whose
// step is a multiple of every (none where it is 0), the one named best (which
// may be empty) and the one that [MarkBest] marked.
func Prune(dir string, keep, every int, best string) (removed []string, err error) {
	list, err := List(dir)
	if err != nil || keep <= 0 || len(list) <= keep {
		return nil, err
	}
	// An unreadable mark must not cost the checkpoint that it stands for; one
	// whose checkpoint is gone protects nothing.
	marked, err := Best(dir)
	if err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing old checkpoints: %w", err)
	}
	for _, entry := range list[:len(list)-keep] {
		if entry.Name == best || entry.Name == marked.Name || every > 0 && entry.Step%int64(every) == 0 {
			continue
		}
		// Renamed first: a checkpoint that is half removed must not keep its name.
		tmp := filepath.Join(dir, tmpPrefix+"old-"+entry.Name)
		err := os.Rename(entry.Path, tmp)
		if err == nil {
			err = os.RemoveAll(tmp)
		}
		if err != nil {
			return removed, fmt.Errorf("removing old checkpoint %s: %w", entry.Name, err)
		}
		removed = append(removed, entry.Name)
	}
	return removed, nil
}
