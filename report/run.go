package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"mobilellm/engine"
	"mobilellm/train"
)

// Run is what lies in a run's folder.
type Run struct {
	Dir, Name string
	Config    train.RunConfig
	HasConfig bool // the folder has a run.yaml
	*train.Metrics
	Summary *train.Summary // nil of a run that is not finished
	Profile []engine.Row   // none of a run without --profile
	Began   time.Time      // reckoned back from the last line of its metrics
	Spent   time.Duration  // on steps; saving and scoring are not in it

	clock clock
}

// Open reads the runs in folders. Names are those of the folders, or as much of their paths
// as tells them apart.
func Open(dirs ...string) (list []*Run, err error) {
	names := Names(dirs)
	for i, dir := range dirs {
		r, err := OpenRun(dir)
		if err != nil {
			return nil, err
		}
		r.Name = names[i]
		list = append(list, r)
	}
	return list, nil
}

// OpenRun reads the run in a folder, which has its metrics at least. The error wraps
// [fs.ErrNotExist] where it has none.
func OpenRun(dir string) (*Run, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := &Run{Dir: dir, Name: filepath.Base(full), Metrics: new(train.Metrics)}
	if r.Metrics, err = train.ReadMetrics(dir); err != nil {
		return nil, err
	}
	if r.Began, r.clock, err = times(dir); err != nil {
		return nil, err
	}
	r.Spent = r.clock.spent
	path := filepath.Join(dir, train.RunFile)
	switch raw, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		r.Config, r.HasConfig = train.DefaultRun(), true
		if err := yaml.Unmarshal(raw, &r.Config); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if r.Summary, err = train.ReadSummary(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if r.Profile, err = train.ReadProfile(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r, nil
}

// Names are the last parts of paths, as many as tell them apart.
func Names(paths []string) []string {
	names := make([]string, len(paths))
	for parts := 1; ; parts++ {
		seen, longer := map[string]bool{}, false
		for i, path := range paths {
			full, err := filepath.Abs(path)
			if err != nil {
				full = filepath.Clean(path)
			}
			name := filepath.Base(full)
			for dir, n := filepath.Dir(full), 1; n < parts && dir != filepath.Dir(dir); dir, n = filepath.Dir(dir), n+1 {
				name, longer = filepath.Join(filepath.Base(dir), name), true
			}
			names[i], seen[name] = name, true
		}
		if len(seen) == len(paths) || parts > 1 && !longer {
			return names
		}
		if parts > 32 { // the same path twice
			return names
		}
	}
}

// clock adds up the time of a run's steps, from their tokens and their speed.
type clock struct {
	spent  time.Duration
	tokens int64
	at     map[int64]place
}

// place is where a step lies on every axis.
type place struct{ tokens, seconds float64 }

func (c *clock) add(record any) {
	s, ok := record.(train.StepRecord)
	if !ok {
		return
	}
	if s.TokensPerSecond > 0 {
		c.spent += time.Duration(float64(s.Tokens-c.tokens) / s.TokensPerSecond * float64(time.Second))
	}
	c.tokens = s.Tokens
	if c.at == nil {
		c.at = map[int64]place{0: {}}
	}
	c.at[s.Step] = place{float64(s.Tokens), c.spent.Seconds()}
}

// times reckons when a run began: its last line was written when the file was.
func times(dir string) (began time.Time, c clock, err error) {
	info, err := os.Stat(filepath.Join(dir, train.MetricsFile))
	if err != nil {
		return began, c, err
	}
	err = train.EachMetric(dir, func(record any) error { c.add(record); return nil })
	return info.ModTime().Add(-c.spent), c, err
}
