package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mobilellm/internal/filelock"
)

// A folder into which another process trains is refused, by a new run and a
// resumed one, and free again once that process was killed.
func TestLock(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 4
	out, _ := train(t, c, Options{})
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	before := file(t, out, MetricsFile)
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := os.Mkdir(fresh, 0o777); err != nil {
		t.Fatal(err)
	}
	c.Train.Steps = 6
	for _, o := range []Options{{Out: fresh}, {Out: out, Resume: latest}} {
		held, err := filelock.Acquire(filepath.Join(o.Out, filelock.Name))
		if err != nil {
			t.Fatal(err)
		}
		o.PeakFLOPS = 1e11
		_, err = Run(context.Background(), c, o)
		checkError(t, err, o.Out, fmt.Sprintf("process %d trains into it", os.Getpid()), "\nhint: ")
		if err := held.Release(); err != nil {
			t.Fatal(err)
		}
		if after := file(t, out, MetricsFile); after != before {
			t.Errorf("the refused run wrote metrics:\n%s", after)
		}
		train(t, c, o)
	}
}

// A run that does not start leaves no folder, and one that cannot be written is an
// error before the text is read.
func TestFolderOfFailedRun(t *testing.T) {
	c := tiny(t)
	c.Data.Train[0].Path = filepath.Join(t.TempDir(), "missing.txt")
	above := t.TempDir()
	for _, o := range []Options{{Out: filepath.Join(above, "a", "b")}, {Out: filepath.Join(above, "a", "b"), Numbered: true}} {
		o.PeakFLOPS = 1e11
		if _, err := Run(context.Background(), c, o); err == nil {
			t.Fatal("no error")
		}
		if _, err := os.Stat(filepath.Join(above, "a")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a folder is left: %v", err)
		}
	}
	blocked := filepath.Join(above, "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Run(context.Background(), c, Options{Out: filepath.Join(blocked, "run"), PeakFLOPS: 1e11})
	checkError(t, err, "run folder: ", blocked)
}

// Runs that begin at once under one name have folders of their own.
func TestNumberedFolders(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "runs", "tiny")
	var group sync.WaitGroup
	runs := make([]run, 16)
	for i := range runs {
		r := &runs[i]
		r.o = Options{Out: prefix, Numbered: true, Progress: NewProgress(io.Discard, false)}
		group.Go(func() {
			if err := r.claim(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for i := range runs {
		seen[runs[i].o.Out] = true
		runs[i].started = true
		if err := runs[i].unclaim(); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != len(runs) || !seen[prefix+"-1"] || !seen[fmt.Sprintf("%s-%d", prefix, len(runs))] {
		t.Errorf("%d folders of %d: %v", len(seen), len(runs), seen)
	}
}
