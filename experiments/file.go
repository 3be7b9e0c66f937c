package experiments

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mobilellm/configs"
)

// File is an experiment as it is written. What stands in a scale comes on top of
// what stands beside it for all scales.
type File struct {
	Title   string            `yaml:"title" help:"What is compared."`
	Source  string            `yaml:"source" help:"What the numbers under paper are from."`
	Recipe  `yaml:",inline"`  // of every scale
	Scales  map[string]Recipe `yaml:"scales" help:"Sizes that the experiment can be run at, such as desk and paper."`
	Members []Row             `yaml:"members" help:"What is compared, by name; with axes, each at every point of them."`

	path    string
	origins *configs.Resolved
}

// Recipe is how the members are trained.
type Recipe struct {
	Base   string   `yaml:"base" help:"Configuration that every member starts from: a file beside this one, or an embedded one."`
	Set    Settings `yaml:"set" help:"What every member changes in it."`
	Seeds  []uint64 `yaml:"seeds" help:"Each member is trained once with each: initial weights and order of samples."`
	Tokens int64    `yaml:"tokens" help:"Tokens that every member is trained on; sets train.steps."`
	Grid   Axes     `yaml:"grid" help:"Keys with lists of values: every combination is a member."`
	Zip    Axes     `yaml:"zip" help:"Keys with lists of values, equally long: the first of each, the second of each, and so on."`
}

// Row is a member as it is written.
type Row struct {
	Name     string              `yaml:"name" help:"In reports; unique within the experiment."`
	Group    string              `yaml:"group" help:"Members of one group are compared with each other."`
	Baseline bool                `yaml:"baseline" help:"The one of its group that the others are compared with; else the first."`
	Against  string              `yaml:"against" help:"The member of its group that this one is compared with, in place of the baseline."`
	Teacher  string              `yaml:"teacher" help:"Member that is trained before and that this one learns from (distil.teacher): of the same seed, or its only one."`
	Init     string              `yaml:"init" help:"Member that is trained before and whose weights this one starts from: of the same seed, or its only one. It may be the teacher too."`
	Seeds    []uint64            `yaml:"seeds" help:"In place of the experiment's."`
	Tokens   int64               `yaml:"tokens" help:"In place of the experiment's."`
	Set      Settings            `yaml:"set" help:"What the member changes in its configuration."`
	Scales   map[string]Settings `yaml:"scales" help:"The scales that the member takes part in, each with what it changes there; all where left out."`
	Paper    map[string]float64  `yaml:"paper" help:"The paper's numbers: parameters in millions, accuracies in per cent."`
}

// Settings are sections of a run's configuration.
type Settings struct{ node *yaml.Node }

// UnmarshalYAML keeps the node: only a base configuration says what it means.
func (s *Settings) UnmarshalYAML(node *yaml.Node) error {
	s.node = node
	return nil
}

// PaperColumns are the numbers of the paper's tables that a file may hold.
var PaperColumns = []string{
	"parameters", // in millions
	"arc_easy", "arc_challenge", "boolq", "piqa", "siqa", "hellaswag", "obqa", "winogrande", "average",
	"tqa_1_shot", "tqa_5_shot", "tqa_64_shot", "race_middle", "race_high", // Table 12
	"hours",        // Table 16
	"average_w8a8", // Table 15
}

// Load reads an experiment strictly.
func Load(path string) (*File, error) {
	f := &File{path: path}
	var err error
	if f.origins, err = configs.Load(f, configs.Source{Name: path}); err != nil {
		return nil, err
	}
	return f, nil
}

// Name is that of the file.
func (f *File) Name() string {
	return strings.TrimSuffix(filepath.Base(f.path), filepath.Ext(f.path))
}

// ScaleNames are the scales, sorted; none where the file has one size only.
func (f *File) ScaleNames() []string { return slices.Sorted(maps.Keys(f.Scales)) }

// Validate reports what no sweep can be made of; what a member's configuration
// lacks is found when it is resolved.
func (f *File) Validate() error {
	var errs []error
	seen := map[string]Row{}
	for i, m := range f.Members {
		if m.Name == "" {
			errs = append(errs, fmt.Errorf("members[%d] has no name", i))
			continue
		}
		if _, twice := seen[m.Name]; twice {
			errs = append(errs, fmt.Errorf("members: two are named %q", m.Name))
		}
		seen[m.Name] = m
		for _, scale := range slices.Sorted(maps.Keys(m.Scales)) {
			if _, ok := f.Scales[scale]; !ok {
				errs = append(errs, fmt.Errorf("members: %s: scale %q is none of %s", m.Name, scale, strings.Join(f.ScaleNames(), ", ")))
			}
		}
		for _, column := range slices.Sorted(maps.Keys(m.Paper)) {
			if !slices.Contains(PaperColumns, column) {
				errs = append(errs, fmt.Errorf("members: %s: paper has no column %q\nhint: columns are %s", m.Name, column, strings.Join(PaperColumns, ", ")))
			}
		}
	}
	for _, m := range f.Members {
		if a, ok := seen[m.Against]; m.Against != "" && (!ok || a.Group != m.Group || a.Name == m.Name) {
			errs = append(errs, fmt.Errorf("members: %s: against %q is no other member of its group", m.Name, m.Against))
		}
		for what, name := range map[string]string{"teacher": m.Teacher, "init": m.Init} {
			if t, ok := seen[name]; name != "" && (!ok || t.Teacher != "" || t.Init != "") {
				errs = append(errs, fmt.Errorf("members: %s: %s %q is no member without a teacher or init of its own", m.Name, what, name))
			}
		}
	}
	return errors.Join(errs...)
}
