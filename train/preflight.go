package train

import (
	"errors"
	"fmt"
	"os"

	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/internal/hint"
	"mobilellm/optim"
)

// validatePlaces reports keys that name an address or a hub's name where files are wanted.
func (c *RunConfig) validatePlaces() error {
	var errs []error
	check := func(key, path string, kind hint.Kind) {
		if remote := hint.Remote(path, kind); remote != "" {
			errs = append(errs, fmt.Errorf("%s: %s", key, remote))
		}
	}
	for _, s := range c.Data.Train {
		check("data.train", s.Path, hint.Data)
	}
	for _, s := range c.Data.Heldout {
		check("data.heldout", s.Path, hint.Data)
	}
	check("data.tokenizer", c.Data.Tokenizer, hint.Model)
	check("distil.teacher", c.Distil.Teacher, hint.Model)
	check("distil.shards", c.Distil.Shards, hint.Data)
	check("eval.data_dir", c.Eval.DataDir, hint.Data)
	return errors.Join(errs...)
}

// CheckFiles reports everything that a run names and that is not there, which its text
// is not read for.
func (c *RunConfig) CheckFiles() error {
	var errs []error
	check := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	text := func(key, path string) {
		if path != data.GoSourceName {
			_, err := ingest.Files(path)
			check(key, err)
		}
	}
	for _, s := range c.Data.Train {
		text("data.train", s.Path)
	}
	for _, s := range c.Data.Heldout {
		text("data.heldout", s.Path)
	}
	if t := c.Data.Tokenizer; t != data.TokenizerTrain && t != data.TokenizerBytes {
		_, err := checkpoint.OpenTokenizer(t)
		check("data.tokenizer", err)
	}
	if c.Distil.Shards != "" {
		_, err := os.Stat(c.Distil.Shards)
		check("distil.shards", err)
	}
	return errors.Join(errs...)
}

// doubts are what is allowed and hardly meant.
func (c *RunConfig) doubts() []string {
	var list []string
	if _, warning, err := optim.NewSchedule(c.Optim, c.Train.Steps); err == nil && warning != "" {
		list = append(list, "warning: "+warning)
	}
	if doubt := c.Optim.Doubt(); doubt != "" {
		list = append(list, "warning: "+doubt)
	}
	return list
}
