package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mobilellm/checkpoint"
	"mobilellm/device"
	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/infer"
	"mobilellm/internal/cli"
	"mobilellm/internal/jsonfloat"
)

type flags struct {
	model, adapter, tasks, protocol, items string
	compare                                string
	compared                               []typed
	own, texts                             []string
	shots, context, workers                int
	json, constrained                      bool
	template, templateSum                  string
	answers, name                          string
	device, precision, kvType, quantize    string
	protocols                              []eval.Protocol
	options                                eval.Options
}

// evaluate prints what the tasks say of the model. Remarks go to notes.
func (f *flags) evaluate(ctx context.Context, w, notes io.Writer) (err error) {
	list, load, err := f.check()
	if err != nil {
		return err
	}
	samples, err := f.draw(ctx, list, notes)
	if err != nil {
		return err
	}
	if f.options.Limit > 0 {
		fmt.Fprintf(notes, "note: %d questions of a task at most, drawn with seed %d\n", f.options.Limit, f.options.Seed)
	}
	folder, err := checkpoint.OpenWith(f.model, f.adapter)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	sum, err := folder.Sum()
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	dev, err := device.Open(f.device, f.workers, nil)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	defer dev.Close()
	if f.compare != "" {
		return f.compareTypes(ctx, w, notes, folder, dev, samples, sum)
	}
	m, err := infer.FromCheckpoint(folder, dev, eval.LoadOptions(load))
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if note := m.Note(); note != "" {
		fmt.Fprintln(notes, "note:", note)
	}
	results, err := f.ask(ctx, m, samples, sum, f.items, notes)
	if err != nil {
		return err
	}
	c := folder.Config
	return f.print(w, notes, report{Model: f.model, Checksum: sum, Parameters: c.ParameterCount(), Layers: c.Layers, Heads: c.Heads, KVHeads: c.Resolved().KVHeads, Precision: m.Types(), KVType: f.kvType, Context: m.Context(), Limit: f.options.Limit, Seed: f.options.Seed, Results: results})
}

// draw reads the questions of tasks by each protocol. Of several protocols a task may have
// one alone.
func (f *flags) draw(ctx context.Context, list []eval.Task, notes io.Writer) ([]eval.Sample, error) {
	var samples []eval.Sample
	for _, p := range f.protocols {
		var has []eval.Task
		for _, t := range list {
			if len(t.Measures(p)) == 0 && len(f.protocols) > 1 {
				fmt.Fprintf(notes, "note: task %s has no protocol %s\n", t.Name, p)
				continue
			}
			has = append(has, t)
		}
		f.options.Protocol = p
		drawn, err := eval.Draw(ctx, has, f.options)
		if err != nil {
			return nil, err
		}
		samples = append(samples, drawn...)
	}
	return samples, nil
}

// check reads the flags.
func (f *flags) check() (list []eval.Task, o infer.LoadOptions, err error) {
	if f.model == "" {
		return nil, o, cli.Usagef("--model is missing: name a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	}
	f.protocols = nil
	for name := range strings.SplitSeq(f.protocol, ",") {
		p := eval.Protocol(strings.TrimSpace(name))
		if p != eval.LMEval && p != eval.Paper {
			return nil, o, cli.Usagef("--protocol (%s) must be %s, %s, or both with a comma between", f.protocol, eval.LMEval, eval.Paper)
		}
		if !slices.Contains(f.protocols, p) {
			f.protocols = append(f.protocols, p)
		}
	}
	if f.options.Limit < 0 || f.context < 0 {
		return nil, o, cli.Usagef("--limit (%d) and --context (%d) must not be negative", f.options.Limit, f.context)
	}
	if f.tasks == "" && len(f.own) == 0 && len(f.texts) == 0 {
		return nil, o, cli.Usagef("there is nothing to measure by: name --tasks, a --task of your own or a --text")
	}
	if f.tasks != "" {
		if list, err = tasks.Get(f.tasks); err != nil {
			return nil, o, cli.Usagef("--tasks: %w", err)
		}
	}
	if err := f.checkChat(); err != nil {
		return nil, o, err
	}
	if f.shots >= 0 {
		for i, t := range list {
			if t.Kind == eval.Chat {
				return nil, o, cli.Usagef("--shots: task %s takes no examples", t.Name)
			}
			list[i] = t.WithShots(f.shots)
		}
	}
	if err := o.SetTypes(f.precision, f.kvType, f.quantize); err != nil {
		return nil, o, cli.Usagef("--%w", err)
	}
	o.Context = f.context
	if f.compare != "" {
		if f.quantize != "" || f.precision != "float32" {
			return nil, o, cli.Usagef("--compare (%s) says all types: leave --precision and --quantize out", f.compare)
		}
		if err := f.readTypes(); err != nil {
			return nil, o, err
		}
	}
	f.options.Files = map[string]string{}
	more, err := f.ownTasks()
	if err != nil {
		return nil, o, err
	}
	for _, t := range more {
		if slices.ContainsFunc(list, func(other eval.Task) bool { return other.Name == t.Name }) {
			return nil, o, cli.Usagef("there are two tasks called %s", t.Name)
		}
		list = append(list, t)
	}
	if f.constrained {
		list, err = f.withConstrained(list)
	}
	return list, o, err
}

// ownTasks are those of --task and --text.
func (f *flags) ownTasks() ([]eval.Task, error) {
	var list []eval.Task
	for _, given := range f.own {
		name, path, ok := strings.Cut(given, "=")
		if !ok || name == "" || path == "" {
			return nil, cli.Usagef("--task (%s) must be name=file.jsonl", given)
		}
		t, err := taskOf(name, path)
		if err != nil {
			return nil, fmt.Errorf("--task %s: %w", name, err)
		}
		if f.shots >= 0 {
			t = t.WithShots(f.shots)
		}
		list = append(list, t)
		f.options.Files[t.Name] = path
	}
	for _, path := range f.texts {
		t := eval.Text(path)
		list = append(list, t)
		f.options.Files[t.Name] = path
	}
	return list, nil
}

// taskOf is a benchmark by its name, with its questions from a file, or a task of a user's
// own.
func taskOf(name, path string) (eval.Task, error) {
	for _, t := range tasks.All() {
		if t.Name == name {
			return t, nil
		}
	}
	return tasks.FromFile(name, path)
}

// ask evaluates, with a journal where a path is given for one.
func (f *flags) ask(ctx context.Context, m *infer.Model, samples []eval.Sample, sum, items string, notes io.Writer) (_ []eval.Result, err error) {
	f.options.Journal = nil
	if items != "" {
		head := eval.Head{Model: sum, Precision: m.Types(), KVType: f.kvType, Context: m.Context(), Template: f.templateSum}
		if f.options.Journal, err = eval.OpenJournal(items, head); err != nil {
			return nil, fmt.Errorf("--items: %w", err)
		}
		defer func() { err = errors.Join(err, f.options.Journal.Close()) }()
		if n := f.options.Journal.Answers(); n > 0 {
			fmt.Fprintf(notes, "note: %s has %d answers already\n", items, n)
		}
	}
	f.options.Keep = f.keep
	kinds := map[string]eval.Kind{}
	for _, s := range samples {
		kinds[s.Task.Name] = s.Task.Kind
	}
	var bar *cli.Progress
	at := ""
	defer func() { bar.End() }()
	f.options.Progress = func(task string, done, total int64) {
		if task != at {
			bar.End()
			at, bar = task, cli.NewProgress(task)
		}
		bar.To(done, total, fmt.Sprintf("%d of %d %s", done, total, units[kinds[task]]))
	}
	results, err := eval.Ask(ctx, m, samples, f.options)
	if j := f.options.Journal; j != nil && ctx.Err() != nil {
		bar.End()
		fmt.Fprintf(notes, "note: %s has %d answers; the same command goes on with them\n", items, j.Answers())
	}
	return results, err
}

// units are what the progress of a kind of tasks counts.
var units = map[eval.Kind]string{
	eval.MultipleChoice: "tokens", eval.LogLikelihood: "tokens", eval.Rolling: "tokens", eval.Generation: "texts", eval.Chat: "answers",
}

// report is what --json prints.
type report struct {
	Model    string `json:"model"`
	Checksum string `json:"checksum"`
	// The shape: Layers are those with weights of their own.
	Parameters int64 `json:"parameters"`
	Layers     int   `json:"layers"`
	Heads      int   `json:"heads"`
	KVHeads    int   `json:"kv_heads"`

	Precision string        `json:"precision"`
	KVType    string        `json:"kv_type"`
	Context   int           `json:"context"`
	Limit     int           `json:"limit,omitempty"`
	Seed      uint64        `json:"seed"`
	Averages  []average     `json:"averages,omitempty"`
	Results   []eval.Result `json:"results"`
}

// average is that of the paper's eight zero-shot tasks by a protocol.
type average struct {
	Protocol eval.Protocol   `json:"protocol"`
	Value    float64         `json:"value"`
	StdErr   jsonfloat.Float `json:"stderr"`
}

func (f *flags) print(w, notes io.Writer, r report) error {
	by := map[eval.Protocol][]eval.Result{}
	for _, t := range r.Results {
		by[t.Protocol] = append(by[t.Protocol], t)
		if t.Cut > 0 || t.Dropped > 0 {
			fmt.Fprintf(notes, "note: %s: %d questions were cut at the beginning to fit the context, %d examples or messages fell away\n", t.Task, t.Cut, t.Dropped)
		}
	}
	for _, p := range f.protocols {
		if mean, stderr, ok := eval.Average(by[p], tasks.Groups[tasks.ZeroShot]); ok {
			r.Averages = append(r.Averages, average{p, mean, jsonfloat.Float(stderr)})
		}
	}
	if f.json {
		return cli.PrintJSON(w, r)
	}
	for i, p := range f.protocols {
		if len(f.protocols) > 1 {
			fmt.Fprintf(w, "%sprotocol %s\n", strings.Repeat("\n", min(i, 1)), p)
		}
		if err := eval.Print(w, by[p]); err != nil {
			return err
		}
		for _, a := range r.Averages {
			if a.Protocol == p {
				fmt.Fprintf(w, "average of the eight zero-shot tasks: %.2f ± %.2f\n", 100*a.Value, 100*float64(a.StdErr))
			}
		}
	}
	return nil
}
