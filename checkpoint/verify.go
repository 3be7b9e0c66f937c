package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// verify reads files of a folder, several at once, and compares them with their
// checksums. It returns the first that differs, by name.
func verify(dir string, files map[string]FileSum) error {
	names := slices.Sorted(maps.Keys(files))
	errs := make([]error, len(names))
	var group sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range next {
				errs[i] = verifyFile(filepath.Join(dir, filepath.FromSlash(names[i])), files[names[i]])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func verifyFile(path string, want FileSum) error {
	got, err := sumFile(path)
	if err != nil {
		return err
	}
	if got != want {
		return damage(fmt.Errorf("%s is damaged: %d bytes with CRC-32C %s, expected %d with %s", path, got.Bytes, got.CRC32C, want.Bytes, want.CRC32C))
	}
	return nil
}

// verifyModel compares what a run's checkpoint holds of a model, all but the
// optimizer's state, with the checksums of its state.json. A model folder that no run
// wrote has none.
func verifyModel(dir string) error {
	state, err := readState(filepath.Join(dir, StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	files := maps.Clone(state.Files)
	delete(files, OptimizerFile)
	return verify(dir, files)
}
