package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"mobilellm/checkpoint/safetensors"
)

// ErrDamaged is what [OpenCheckpoint] wraps where files are missing, cut short or changed.
var ErrDamaged = errors.New("damaged checkpoint")

// Checkpoint is an open checkpoint of a run.
type Checkpoint struct {
	Path    string // symbolic links resolved
	State   State
	Model   *Model   // of a run that trained an adapter the one that it adapts, without it
	Adapter *Adapter // nil for a run that trained the model itself

	moments tensorFiles
}

// OpenCheckpoint opens a checkpoint of a run, to resume from, and compares every file with the size and the
// checksum that its state.json lists: one that is missing, was cut short or is
// damaged is an error with its path and what was expected.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	state, err := readState(filepath.Join(resolved, StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damage(fmt.Errorf("%s is no checkpoint of a run: %w", path, err))
	}
	if err != nil {
		return nil, err
	}
	if step, ok := parseStep(filepath.Base(resolved)); ok && step != state.Step {
		return nil, fmt.Errorf("%s: %s is of step %d", resolved, StateFile, state.Step)
	}
	c := &Checkpoint{Path: resolved, State: state}
	if err := c.checkSizes(); err != nil {
		return nil, damage(err)
	}
	if err := verify(resolved, state.Files); err != nil {
		return nil, err
	}
	if isAdapter(resolved) {
		if c.Adapter, err = readAdapter(resolved); err == nil {
			c.Model, err = c.Adapter.openBase()
		}
	} else {
		c.Model, err = readModel(resolved)
	}
	if err != nil {
		return nil, err
	}
	if c.Adapter != nil {
		if err := c.Adapter.checkBase(c.Model); err != nil {
			return nil, errors.Join(err, c.Model.Close())
		}
	}
	optimizer := filepath.Join(resolved, OptimizerFile)
	if c.moments, err = openTensors(optimizer, optimizer); err != nil {
		return nil, errors.Join(err, c.Model.Close())
	}
	return c, nil
}

// damaged marks an error as [ErrDamaged] without a word more.
type damaged struct{ error }

func damage(err error) error { return damaged{err} }

func (d damaged) Unwrap() []error { return []error{ErrDamaged, d.error} }

// checkSizes compares the files with the list in state.json, which must have
// those that every checkpoint needs.
func (c *Checkpoint) checkSizes() error {
	weights := WeightsFile
	if _, sharded := c.State.Files[IndexFile]; sharded {
		weights = IndexFile
	}
	config := ConfigFile
	if _, adapter := c.State.Files[AdapterConfigFile]; adapter {
		config, weights = AdapterConfigFile, AdapterWeightsFile
	}
	for _, name := range []string{config, weights, OptimizerFile} {
		if _, ok := c.State.Files[name]; !ok {
			return fmt.Errorf("%s: files: %s is missing", filepath.Join(c.Path, StateFile), name)
		}
	}
	for _, name := range c.fileNames() {
		path, want := c.file(name), c.State.Files[name].Bytes
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s is missing; %d bytes are expected", path, want)
		case err != nil:
			return err
		case info.Size() < want:
			return fmt.Errorf("%s is truncated: %d bytes, expected %d", path, info.Size(), want)
		case info.Size() > want:
			return fmt.Errorf("%s has %d bytes, expected %d", path, info.Size(), want)
		}
	}
	return nil
}

// fileNames lists the files of state.json in a fixed order.
func (c *Checkpoint) fileNames() []string {
	return slices.Sorted(maps.Keys(c.State.Files))
}

func (c *Checkpoint) file(name string) string {
	return filepath.Join(c.Path, filepath.FromSlash(name))
}

// Name is the checkpoint's name within its run, e.g. step-00001000.
func (c *Checkpoint) Name() string { return filepath.Base(c.Path) }

// LoadOptimizer reads the optimizer's state: tensors must be exactly those that
// were saved, each with memory for its values in Data, to which any type is
// converted, or in BF16, for one saved in BF16, or without, to be checked only. Their DType
// does not matter.
func (c *Checkpoint) LoadOptimizer(tensors []safetensors.Tensor) error {
	return c.moments.loadAll(tensors, nil)
}

// Close closes the checkpoint's files; State stays. It may be called again.
func (c *Checkpoint) Close() error {
	if c.Model == nil {
		return nil
	}
	err := errors.Join(c.Model.Close(), c.moments.close())
	c.Model, c.moments = nil, tensorFiles{}
	return err
}
