package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// stepPrefix begins the names of a run's checkpoints.
const stepPrefix = "step-"

// ErrNone is what [Latest] and [Best] wrap where a run has no such checkpoint.
var ErrNone = errors.New("no checkpoint")

// Entry is a checkpoint in a run's folder.
type Entry struct {
	Name string // e.g. step-00001000
	Path string
	Step int64
}

func stepName(step int64) string { return fmt.Sprintf("%s%08d", stepPrefix, step) }

// parseStep returns the step of a checkpoint's name; only names that stepName
// gives are such.
func parseStep(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, stepPrefix)
	if !ok {
		return 0, false
	}
	step, err := strconv.ParseInt(digits, 10, 64)
	return step, err == nil && step >= 0 && stepName(step) == name
}

// List lists the checkpoints in a run's folder by step. Unfinished ones and
// whatever else lies there are left out; a missing folder has none.
func List(dir string) ([]Entry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, entry := range entries {
		if step, ok := parseStep(entry.Name()); ok && entry.IsDir() {
			list = append(list, Entry{entry.Name(), filepath.Join(dir, entry.Name()), step})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return int(a.Step - b.Step) })
	return list, nil
}

// Latest returns the checkpoint with the highest step. Its error wraps
// [ErrNone] where there is none.
func Latest(dir string) (Entry, error) {
	list, err := List(dir)
	if err != nil {
		return Entry{}, err
	}
	if len(list) == 0 {
		return Entry{}, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	return list[len(list)-1], nil
}

// OpenNewest opens the newest checkpoint of a run's folder that is whole. Newer ones
// that are damaged are set aside, under the name damaged-STEP, and their errors are
// handed to note. Its error wraps [ErrNone] where no checkpoint is whole.
func OpenNewest(dir string, note func(path string, err error)) (*Checkpoint, error) {
	list, err := List(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range slices.Backward(list) {
		c, err := OpenCheckpoint(entry.Path)
		if err == nil || !errors.Is(err, ErrDamaged) {
			return c, err
		}
		aside := filepath.Join(dir, damagedPrefix+entry.Name)
		if renaming := errors.Join(os.RemoveAll(aside), os.Rename(entry.Path, aside)); renaming != nil {
			return nil, errors.Join(err, renaming)
		}
		note(aside, err)
	}
	return nil, fmt.Errorf("%w in %s", ErrNone, dir)
}

// damagedPrefix begins the names of checkpoints that were set aside.
const damagedPrefix = "damaged-"
