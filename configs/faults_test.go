package configs

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

type faulty struct {
	Model struct {
		Layers int `yaml:"layers"`
		Dim    int `yaml:"dim"`
	} `yaml:"model"`
	Optim struct {
		LR float64 `yaml:"lr"`
	} `yaml:"optim"`
}

func (f *faulty) Validate() error {
	var errs []error
	if f.Model.Layers < 1 {
		errs = append(errs, fmt.Errorf("model.layers (%d) must be at least 1", f.Model.Layers))
	}
	if f.Optim.LR <= 0 {
		errs = append(errs, fmt.Errorf("optim.lr (%g) must be positive", f.Optim.LR))
	}
	return errors.Join(errs...)
}

// Unknown keys, values of a wrong type, options and what Validate finds are told
// together, each once; what has no value is not said to have a wrong one.
func TestAllFaultsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	write(t, path, "model:\n  n_layer: 3\n  dim: wide\noptim: {learning_rate: 1}\n")
	var c faulty
	_, err := Load(&c, Source{Name: path, Set: []string{"model.layers=many", "optim.lrr=1", "optim.lr=-1"}})
	want := []string{
		path + `:2: unknown key "model.n_layer": did you mean "model.layers"?`,
		path + `:4: unknown key "optim.learning_rate": did you mean "optim.lr"?`,
		path + `:3: model.dim (wide) must be an integer`,
		`--set optim.lrr=1: unknown key "optim.lrr": did you mean "optim.lr"?`,
		`--set model.layers=many: model.layers (many) must be an integer`,
		`--set optim.lr=-1: optim.lr (-1) must be positive`,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	if c != (faulty{}) {
		t.Errorf("changed to %+v", c)
	}
}

// A section whose values are there already is left as it is by embedded configs, and by
// nothing else.
func TestHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	write(t, path, "extends: 350m.yaml\nmodel: {dim: 540}\n")
	run := testDefaults()
	layers := run.Model.Layers
	resolved, err := Load(&run, Source{Name: path, Held: "model"})
	if err != nil {
		t.Fatal(err)
	}
	if run.Model.Layers != layers || run.Model.Dim != 540 || run.Train.Batch != 128 {
		t.Errorf("%+v", run)
	}
	if resolved.Origin("model.layers").Kind != FromDefault || resolved.Origin("model.dim").Kind != FromFile {
		t.Errorf("model.layers comes from %s, model.dim from %s", resolved.Origin("model.layers"), resolved.Origin("model.dim"))
	}
	if !resolved.Sets("model") || resolved.Sets("mode") {
		t.Error("which sections are set")
	}
}
