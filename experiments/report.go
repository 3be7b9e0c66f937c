package experiments

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mobilellm/arch"
	"mobilellm/internal/statistics"
	"mobilellm/train"
)

// Report is what came of a sweep, from the manifests in its folder: sweep.json, and
// each run's run.yaml and result.json.
type Report struct {
	Sweep      *Sweep
	Groups     []Group
	Facts      []Fact   // of the finished runs
	Unfinished []Status // failed, interrupted, running and waiting members
	Warnings   []string
	runs       []Status // finished
	tasks      []string // that any run was measured by, in order
}

// Group are members that are compared with each other.
type Group struct {
	Name    string
	Results []Result
	// Order compares the members' order by loss with the paper's by accuracy.
	Order Correlation
}

// Result is what came of a member over its seeds.
type Result struct {
	Name       string
	Shape      string
	Parameters int64
	Finished   int // seeds
	Of         int
	Losses     []float64 // of the finished seeds
	Loss, LossSE,
	Perplexity, PerplexitySE,
	TokensPerSecond,
	Seconds float64 // means
	Against string // the member that it is compared with, empty for none
	Difference
	Tasks           map[string]TaskMean // by name; without those that no seed has
	Paper           map[string]float64
	PaperDifference float64 // of the average accuracy, in points; NaN where there is none
	Curves          []Curve // of the runs that have begun

	seeds map[uint64]float64 // losses
	tasks map[string][]float64
}

// TaskMean is a task's score over seeds.
type TaskMean struct {
	Measure   string
	Value, SE float64 // mean and its standard error over seeds
	Lower     bool    // is better
}

// Fact is something that all runs should have in common.
type Fact struct {
	Name   string
	Values []string // more than one where they do not
}

// NewReport gathers what came of the sweep in dir. A sweep without a finished
// member has no report.
func NewReport(s *Sweep, dir string) (*Report, error) {
	list, err := s.Status(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Sweep: s}
	for _, m := range list {
		if m.State == Finished {
			r.runs = append(r.runs, m)
		} else {
			r.Unfinished = append(r.Unfinished, m)
		}
	}
	for _, m := range r.runs {
		for _, t := range m.Result.Tasks {
			if !slices.Contains(r.tasks, t.Task) {
				r.tasks = append(r.tasks, t.Task)
			}
		}
	}
	if len(r.runs) == 0 {
		return nil, fmt.Errorf("sweep %s has no finished run: nothing to report\nhint: mobilellm-sweep run %s goes on with it", s.Name, dir)
	}
	if err := r.gatherFacts(dir); err != nil {
		return nil, err
	}
	for _, name := range groupNames(s) {
		group, err := newGroup(dir, name, list)
		if err != nil {
			return nil, err
		}
		r.Groups = append(r.Groups, group)
	}
	return r, nil
}

func groupNames(s *Sweep) (names []string) {
	for _, m := range s.Members {
		if !slices.Contains(names, m.Group) {
			names = append(names, m.Group)
		}
	}
	// Teachers come first in the sweep and last in its report.
	slices.SortStableFunc(names, func(a, b string) int { return isTeachers(s, a) - isTeachers(s, b) })
	return names
}

func isTeachers(s *Sweep, group string) int {
	for _, m := range s.Members {
		if m.Teacher != "" && s.Member(m.Teacher).Group == group && m.Group != group {
			return 1
		}
	}
	return 0
}

// gatherFacts reads what the runs say of themselves.
func (r *Report) gatherFacts(dir string) error {
	facts := []Fact{{Name: "commit"}, {Name: "device"}, {Name: "workers a run"}, {Name: "precision"}, {Name: "text and tokenizer"}}
	for _, m := range r.runs {
		run, err := readRun(dir, m.ID)
		if err != nil {
			return err
		}
		if run.Run == nil {
			return fmt.Errorf("%s has no section run", filepath.Join(dir, m.ID, train.RunFile))
		}
		for i, value := range []string{run.Run.Versions["commit"], run.Run.Device, fmt.Sprint(run.Run.Workers), run.Run.Precision, run.Run.DataFingerprint} {
			if !slices.Contains(facts[i].Values, value) {
				facts[i].Values = append(facts[i].Values, value)
			}
		}
	}
	r.Facts = facts
	if texts := facts[4].Values; len(texts) > 1 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the runs were trained on %d different texts or tokenizers (%s): their losses cannot be compared", len(texts), strings.Join(texts, ", ")))
	}
	if len(r.Unfinished) > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d of %d runs are not finished: what follows counts the others", len(r.Unfinished), len(r.Sweep.Members)))
	}
	return nil
}

// readRun reads what a run's own file says of it.
func readRun(dir, id string) (run train.RunConfig, err error) {
	path := filepath.Join(dir, id, train.RunFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return run, err
	}
	if err := yaml.Unmarshal(raw, &run); err != nil {
		return run, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}

// newGroup gathers the members of a group and compares them.
func newGroup(dir, name string, list []Status) (Group, error) {
	g := Group{Name: name}
	baseline := ""
	for _, m := range list {
		if m.Group != name {
			continue
		}
		i := slices.IndexFunc(g.Results, func(r Result) bool { return r.Name == m.Name })
		if i < 0 {
			c, err := m.run()
			if m.Config == "" { // as in a landed sweep
				c, err = readRun(dir, m.ID)
			}
			if err != nil {
				return g, err
			}
			i = len(g.Results)
			g.Results = append(g.Results, Result{
				Name: m.Name, Shape: shape(c.Model), Parameters: m.Parameters, Against: m.Against, Paper: m.Paper, seeds: map[uint64]float64{},
				Tasks: map[string]TaskMean{}, tasks: map[string][]float64{},
			})
			if m.Baseline || baseline == "" {
				baseline = m.Name
			}
		}
		g.Results[i].add(m)
		curve, err := memberCurve(dir, m)
		if err != nil {
			return g, err
		}
		if len(curve.Training) > 0 {
			g.Results[i].Curves = append(g.Results[i].Curves, curve)
		}
	}
	for i := range g.Results {
		r := &g.Results[i]
		r.average()
		if r.Against == "" && r.Name != baseline {
			r.Against = baseline
		}
	}
	g.compare()
	return g, nil
}

func (r *Result) add(m Status) {
	r.Of++
	if m.State != Finished {
		return
	}
	h := m.Result.Heldout
	r.Finished++
	r.Losses = append(r.Losses, float64(h.HeldoutLoss))
	if h.HeldoutLoss.Finite() { // or it has no difference to others
		r.seeds[m.Seed] = float64(h.HeldoutLoss)
	}
	for _, t := range m.Result.Tasks {
		r.tasks[t.Task] = append(r.tasks[t.Task], float64(t.Value))
		r.Tasks[t.Task] = TaskMean{Measure: t.Measure, Lower: t.Lower}
	}
	r.TokensPerSecond += m.Result.TokensPerSecond
	r.Seconds += m.Result.Seconds
}

func (r *Result) average() {
	if r.Finished == 0 {
		r.Loss, r.LossSE, r.Perplexity, r.PerplexitySE = math.NaN(), math.NaN(), math.NaN(), math.NaN()
		r.TokensPerSecond, r.Seconds = math.NaN(), math.NaN()
		return
	}
	perplexities := make([]float64, len(r.Losses))
	for i, loss := range r.Losses {
		perplexities[i] = math.Exp(loss)
	}
	for task, values := range r.tasks {
		t := r.Tasks[task]
		t.Value, t.SE = statistics.Mean(values)
		r.Tasks[task] = t
	}
	r.Loss, r.LossSE = statistics.Mean(r.Losses)
	r.Perplexity, r.PerplexitySE = statistics.Mean(perplexities)
	r.TokensPerSecond /= float64(r.Finished)
	r.Seconds /= float64(r.Finished)
}

// compare pairs each member's losses by seed with those that it is held against,
// which share its order of samples.
func (g *Group) compare() {
	var p []float64
	var losses, accuracies []float64
	for i := range g.Results {
		r := &g.Results[i]
		var differences []float64
		r.PaperDifference = math.NaN()
		if a := g.result(r.Against); a != nil {
			for seed, loss := range r.seeds {
				if other, ok := a.seeds[seed]; ok {
					differences = append(differences, loss-other)
				}
			}
			slices.Sort(differences) // maps have no order, sums have
			mine, ok := r.Paper["average"]
			theirs, ok2 := a.Paper["average"]
			if ok && ok2 {
				r.PaperDifference = math.Round((mine-theirs)*10) / 10
			}
		}
		r.Difference = paired(differences)
		p = append(p, r.P)
		if accuracy, ok := r.Paper["average"]; ok && r.Finished > 0 {
			losses, accuracies = append(losses, -r.Loss), append(accuracies, accuracy)
		}
	}
	for i, corrected := range statistics.Holm(p) {
		g.Results[i].PHolm = corrected
	}
	g.Order = correlate(losses, accuracies)
}

func (g *Group) result(name string) *Result {
	i := slices.IndexFunc(g.Results, func(r Result) bool { return r.Name == name })
	if i < 0 || name == "" {
		return nil
	}
	return &g.Results[i]
}

// shape is a model in a few words.
func shape(c arch.Config) string {
	s := fmt.Sprintf("%d × %d, %d/%d heads, %s %d", c.Layers, c.Dim, c.Heads, c.KVHeads, c.FFN, c.FFNDim)
	if c.ShareEmbedding {
		s += ", shared embedding"
	}
	if c.LayerSharing.Shared() {
		s += fmt.Sprintf(", %s ×%d", strings.ReplaceAll(string(c.LayerSharing.Strategy), "_", " "), c.LayerSharing.Repeat)
	}
	return s
}
