package infer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/checkpoint"
)

// Find is the model folder that path stands for: a model folder itself, or the
// best checkpoint, or else the latest, of a run's folder or its checkpoints.
func Find(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(path, checkpoint.ConfigFile)); err == nil {
		return path, nil
	}
	for _, dir := range []string{path, filepath.Join(path, "checkpoints")} {
		entry, err := checkpoint.Best(dir)
		if errors.Is(err, checkpoint.ErrNone) {
			entry, err = checkpoint.Latest(dir)
		}
		if err == nil {
			return entry.Path, nil
		}
		if !errors.Is(err, checkpoint.ErrNone) && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s holds neither a model (%s) nor checkpoints of a run", path, checkpoint.ConfigFile)
}
