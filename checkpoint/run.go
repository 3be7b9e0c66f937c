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

// OpenLatest opens the checkpoint with the highest step. Where that is damaged
// it does not take another: the error says what is wrong, and a hint names the
// one before it.
func OpenLatest(dir string) (*Checkpoint, error) {
	latest, err := Latest(dir)
	if err != nil {
		return nil, err
	}
	c, err := Open(latest.Path)
	if err != nil {
		list, listErr := List(dir)
		if listErr == nil && len(list) > 1 {
			err = fmt.Errorf("%w\nhint: the checkpoint before it is %s", err, list[len(list)-2].Path)
		}
		return nil, err
	}
	return c, nil
}
