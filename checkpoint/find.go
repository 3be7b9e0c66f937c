package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/arch"
	"mobilellm/checkpoint/gguf"
	"mobilellm/internal/hint"
	"mobilellm/internal/regular"
)

// Open opens a model. The path is that of
//
//   - a Hugging Face folder, or a checkpoint of a run, which is one;
//   - a run's folder, or that of its checkpoints: the best is meant, or else the latest;
//   - a GGUF file;
//   - an adapter's folder, which says what model it is for: that model, with the adapter
//     merged.
//
// Tensors must be exactly the parameters that the model's shape describes. Weights are
// read by [Model.LoadInto] or [Model.Load], straight from the files' mappings. Files of
// a run's checkpoint are compared with their checksums.
func Open(path string) (*Model, error) {
	at, file, err := find(path)
	switch {
	case err != nil:
		return nil, err
	case file:
		return openGGUF(at)
	case isAdapter(at):
		return openAdapted(at)
	}
	return openFolder(at)
}

// ConfigOf reads the shape of a model that [Open] would open, and nothing more: its
// weights need not be there.
func ConfigOf(path string) (arch.Config, error) {
	at, file, err := find(path)
	if err != nil {
		return arch.Config{}, err
	}
	if !file && isAdapter(at) {
		a, err := readAdapter(at)
		if err != nil {
			return arch.Config{}, err
		}
		return ConfigOf(a.Base)
	}
	if !file {
		c, _, err := ReadConfig(filepath.Join(at, ConfigFile))
		return c, err
	}
	f, err := gguf.Open(at)
	if err != nil {
		return arch.Config{}, err
	}
	c, err := f.Config()
	return c, errors.Join(err, f.Close())
}

// find is where the model lies that a path stands for: a GGUF file, or a folder with a
// config.json.
func find(path string) (at string, file bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && hint.Remote(path, hint.Model) != "":
		return "", false, notHere(hint.Remote(path, hint.Model))
	case errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("there is no model at %s: %w\nhint: name a Hugging Face folder, a GGUF file, a run's folder or a checkpoint", path, fs.ErrNotExist)
	case err != nil:
		return "", false, err
	case !info.IsDir():
		return path, true, checkGGUF(path)
	}
	if _, err := os.Stat(filepath.Join(path, ConfigFile)); err == nil || isAdapter(path) {
		return path, false, nil
	}
	at, err = bestOrLatest(path)
	if at == "" && err == nil {
		err = noModel(path)
	}
	return at, false, err
}

// bestOrLatest is a run's best checkpoint or else its latest, of its folder or that of its
// checkpoints; empty where there is none.
func bestOrLatest(path string) (string, error) {
	for _, dir := range []string{path, filepath.Join(path, CheckpointsDir)} {
		entry, err := Best(dir)
		if errors.Is(err, ErrNone) {
			entry, err = Latest(dir)
		}
		if err == nil {
			return entry.Path, nil
		}
		if !errors.Is(err, ErrNone) {
			return "", err
		}
	}
	return "", nil
}

// notHere is what a hub or a server has; it is fs.ErrNotExist.
type notHere string

func (n notHere) Error() string { return string(n) }

// Is makes errors.Is(err, fs.ErrNotExist) true.
func (notHere) Is(target error) bool { return target == fs.ErrNotExist }

const (
	// CheckpointsDir is the folder of checkpoints within a run's.
	CheckpointsDir = "checkpoints"
	// RunFile is the configuration in a run's folder.
	RunFile = "run.yaml"
)

// noModel says what a folder lacks.
func noModel(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, RunFile)); err == nil {
		return fmt.Errorf("the run in %s has no checkpoint yet (%s…, in %s)", dir, stepPrefix, CheckpointsDir)
	}
	err = fmt.Errorf("%s holds no model: neither %s nor checkpoints of a run (%s or %s…, there or in %s)", dir, ConfigFile, bestName, stepPrefix, CheckpointsDir)
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == ".gguf" {
			return fmt.Errorf("%w\nhint: name the file: %s", err, filepath.Join(dir, entry.Name()))
		}
	}
	return err
}

// checkGGUF tells a GGUF file by its first bytes.
func checkGGUF(path string) (err error) {
	f, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	start := make([]byte, len(gguf.Magic))
	if _, err := io.ReadFull(f, start); err == nil && string(start) == gguf.Magic {
		return nil
	}
	return fmt.Errorf("%s is no model: a GGUF file begins with %s\nhint: safetensors and pytorch_model.bin are read as part of their folder, with its %s", path, gguf.Magic, ConfigFile)
}
