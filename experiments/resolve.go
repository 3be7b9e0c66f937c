package experiments

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/configs"
	"mobilellm/train"
)

// cell is a member before it is given a seed.
type cell struct {
	Row
	settings []Settings // of its row and its place on the axes
}

// Overrides are changes of every member from outside the file.
type Overrides struct {
	Set    []string // "optim.lr=6e-4", their values YAML
	Tokens int64    // 0 leaves the file's
}

// Resolve makes the sweep of one scale, "" where the file has none.
func (f *File) Resolve(scale string, o Overrides) (*Sweep, error) {
	recipe, err := f.recipe(scale)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	cells, err := f.cells(scale, recipe)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	s := &Sweep{Version: sweepVersion, Name: f.Name(), Title: f.Title, Source: f.Source, Scale: scale}
	if scale != "" {
		s.Name += "-" + scale
	}
	for _, c := range inOrder(cells) {
		for _, seed := range orElse(c.Seeds, recipe.Seeds) {
			if c.Tokens == 0 {
				c.Tokens = recipe.Tokens
			}
			if o.Tokens != 0 {
				c.Tokens = o.Tokens
			}
			m, err := f.member(c, recipe.Base, seed, o.Set, s)
			if err != nil {
				return nil, fmt.Errorf("member %s: %w", c.Name, err)
			}
			if same := s.Member(m.ID); same != nil {
				return nil, fmt.Errorf("%s: members %s and %s have the same configuration with seed %d (id %s)", f.path, same.Name, m.Name, seed, m.ID)
			}
			s.Members = append(s.Members, m)
		}
	}
	return s, nil
}

// recipe is that of the file with the scale's on top, but for the settings, which
// are laid over each other.
func (f *File) recipe(scale string) (Recipe, error) {
	r := f.Recipe
	over, ok := f.Scales[scale]
	switch {
	case len(f.Scales) == 0 && scale != "":
		return r, fmt.Errorf("scale %q is not there: the experiment has one size", scale)
	case len(f.Scales) > 0 && !ok:
		return r, fmt.Errorf("scale %q is not there\nhint: choose one of %s", scale, strings.Join(f.ScaleNames(), ", "))
	}
	if over.Base != "" {
		r.Base = over.Base
	}
	if over.Tokens != 0 {
		r.Tokens = over.Tokens
	}
	r.Seeds = orElse(over.Seeds, r.Seeds)
	r.Grid.list = append(r.Grid.list[:len(r.Grid.list):len(r.Grid.list)], over.Grid.list...)
	r.Zip.list = append(r.Zip.list[:len(r.Zip.list):len(r.Zip.list)], over.Zip.list...)
	r.Seeds = orElse(r.Seeds, []uint64{1})
	for i, seed := range r.Seeds {
		if slices.Contains(r.Seeds[:i], seed) {
			return r, fmt.Errorf("seeds: %d comes twice", seed)
		}
	}
	return r, nil
}

// cells are the rows of a scale, each at every point of the axes.
func (f *File) cells(scale string, r Recipe) ([]cell, error) {
	rows := slices.DeleteFunc(slices.Clone(f.Members), func(m Row) bool {
		_, in := m.Scales[scale]
		return len(m.Scales) > 0 && !in
	})
	axes := len(r.Grid.list)+len(r.Zip.list) > 0
	switch {
	case len(rows) == 0 && !axes:
		return nil, errors.New("no member: neither members nor an axis under grid or zip")
	case len(rows) == 0:
		rows = []Row{{}}
	}
	zipped, err := r.Zip.zip()
	if err != nil {
		return nil, err
	}
	var cells []cell
	for _, row := range rows {
		for _, g := range r.Grid.grid() {
			for _, z := range zipped {
				c := cell{Row: row, settings: slices.Concat([]Settings{row.Set, row.Scales[scale]}, g.settings, z.settings)}
				c.Name = strings.Join(slices.DeleteFunc([]string{row.Name, g.name, z.name}, func(s string) bool { return s == "" }), " ")
				if row.Teacher+row.Init != "" && axes {
					return nil, fmt.Errorf("member %s: a teacher or init and axes exclude each other", row.Name)
				}
				cells = append(cells, c)
			}
		}
	}
	return cells, nil
}

// inOrder moves what others need trained before them.
func inOrder(cells []cell) []cell {
	slices.SortStableFunc(cells, func(a, b cell) int { return rank(a) - rank(b) })
	return cells
}

func rank(c cell) int {
	if c.Teacher+c.Init != "" {
		return 1
	}
	return 0
}

// member resolves the configuration of a cell with a seed.
func (f *File) member(c cell, base string, seed uint64, set []string, s *Sweep) (Member, error) {
	source := configs.Source{Name: f.base(base), Set: set, Flags: map[string]any{"train.seed": seed}}
	for _, part := range slices.Concat([]Settings{f.Set, f.Scales[s.Scale].Set}, c.settings) {
		if part.node != nil {
			source.Sections = append(source.Sections, configs.Section{File: f.path, Node: part.node})
		}
	}
	m := Member{Name: c.Name, Group: c.Group, Baseline: c.Baseline, Against: c.Against, Seed: seed, Paper: c.Paper}
	if c.Teacher != "" {
		teacher, err := s.trained("teacher", c.Teacher, seed)
		if err != nil {
			return m, err
		}
		m.Teacher = teacher.ID
		source.Flags["distil.teacher"] = teacherPrefix + teacher.ID
	}
	if c.Init != "" {
		initial, err := s.trained("init", c.Init, seed)
		if err != nil {
			return m, err
		}
		m.Init = initial.ID
	}
	config := train.DefaultRun()
	resolved, err := configs.Load(&config, source)
	if err != nil {
		return m, err
	}
	if c.Tokens != 0 {
		step := int64(config.Train.Batch) * int64(config.Data.Seq)
		if config.Train.Steps = int((c.Tokens + step/2) / step); config.Train.Steps < 1 {
			return m, resolved.Locate(fmt.Errorf("tokens (%d) are not half a step of train.batch (%d) × data.seq (%d)", c.Tokens, config.Train.Batch, config.Data.Seq))
		}
	}
	config.Model = config.Model.Resolved()
	if m.ID, err = identify(&config, m.Init); err != nil {
		return m, err
	}
	teacher := config.Distil.Teacher
	if err := config.AbsolutePaths(); err != nil {
		return m, err
	}
	if m.Teacher != "" {
		config.Distil.Teacher = teacher
	}
	m.Parameters, m.Steps = config.Model.ParameterCount(), int64(config.Train.Steps)
	if m.FLOPs, err = s.flops(&m, &config); err != nil {
		return m, err
	}
	m.Config, err = print(&config)
	return m, err
}

// base is a configuration beside the experiment's file, or an embedded one.
func (f *File) base(name string) string {
	if beside := filepath.Join(filepath.Dir(f.path), name); name != "" && !filepath.IsAbs(name) {
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return name
}

func orElse(list, other []uint64) []uint64 {
	if len(list) > 0 {
		return list
	}
	return other
}

func print(c *train.RunConfig) (string, error) {
	var text strings.Builder
	err := configs.Print(&text, c)
	return text.String(), err
}
