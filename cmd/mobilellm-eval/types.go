package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"mobilellm/checkpoint"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/eval"
	"mobilellm/eval/compare"
	"mobilellm/eval/paper"
	"mobilellm/eval/tasks"
	"mobilellm/infer"
	"mobilellm/internal/cli"
)

// typed is a model in some types, one of --compare.
type typed struct {
	name string
	load infer.LoadOptions
}

// readTypes reads --compare: names of types as --precision and --quantize have them.
func (f *flags) readTypes() error {
	f.compared = nil
	for name := range strings.SplitSeq(f.compare, ",") {
		t := typed{name: strings.TrimSpace(name)}
		precision, quantize := t.name, ""
		if _, err := engine.ParsePrecision(t.name); err != nil {
			precision, quantize = "auto", t.name
		}
		if err := t.load.SetTypes(precision, f.kvType, quantize); err != nil {
			return cli.Usagef("--compare (%s): %w\nhint: float32, bf16, or what --quantize takes", f.compare, err)
		}
		t.load.Context = f.context
		for _, other := range f.compared {
			if other.name == t.name {
				return cli.Usagef("--compare (%s) has %s twice", f.compare, t.name)
			}
		}
		f.compared = append(f.compared, t)
	}
	if len(f.compared) < 2 {
		return cli.Usagef("--compare (%s) must be two types or more with commas between, such as bf16,w8a8", f.compare)
	}
	return nil
}

// comparison is what --json prints of a model in two types.
type comparison struct {
	A           string               `json:"a"`
	B           string               `json:"b"`
	Protocol    eval.Protocol        `json:"protocol"`
	Differences []compare.Difference `json:"differences"`
}

// compareTypes asks the model in each type and prints how the others differ from the first.
func (f *flags) compareTypes(ctx context.Context, w, notes io.Writer, folder *checkpoint.Model, dev device.Device, samples []eval.Sample, sum string) (err error) {
	files := f.items
	if files == "" {
		dir, err := os.MkdirTemp("", "mobilellm-eval-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		files = filepath.Join(dir, "items.jsonl")
	}
	var paths []string
	for _, t := range f.compared {
		path := strings.TrimSuffix(files, ".jsonl") + "." + strings.ReplaceAll(t.name, ":", "-") + ".jsonl"
		paths = append(paths, path)
		fmt.Fprintf(notes, "%s:\n", t.name)
		if err := f.measure(ctx, notes, folder, dev, t.load, samples, sum, path); err != nil {
			return err
		}
	}
	var all []comparison
	for _, p := range f.protocols {
		if !slices.ContainsFunc(samples, func(s eval.Sample) bool { return s.Protocol == p }) {
			continue // draw has said so
		}
		a, err := compare.Read(paths[0], p)
		if err != nil {
			return err
		}
		a.File = f.compared[0].name
		for i, t := range f.compared[1:] {
			b, err := compare.Read(paths[i+1], p)
			if err != nil {
				return err
			}
			b.File = t.name
			list, err := compare.Models(a, b)
			if err != nil {
				return err
			}
			all = append(all, comparison{a.File, b.File, p, list})
			if f.json {
				continue
			}
			if err := compare.Print(w, a, b, list); err != nil {
				return err
			}
			fmt.Fprintln(w)
		}
	}
	if f.json {
		return cli.PrintJSON(w, map[string]any{"model": f.model, "checksum": sum, "kv_type": f.kvType, "limit": f.options.Limit, "seed": f.options.Seed, "comparisons": all})
	}
	if slices.ContainsFunc(all, func(c comparison) bool {
		return slices.ContainsFunc(c.Differences, func(d compare.Difference) bool { return d.Task == tasks.ZeroShot })
	}) {
		return printTable15(w)
	}
	return nil
}

// measure asks the model in some types; its answers go to a file.
func (f *flags) measure(ctx context.Context, notes io.Writer, folder *checkpoint.Model, dev device.Device, o infer.LoadOptions, samples []eval.Sample, sum, path string) (err error) {
	m, err := infer.FromCheckpoint(folder, dev, eval.LoadOptions(o))
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	_, err = f.ask(ctx, m, samples, sum, path, notes)
	return err
}

// printTable15 prints what the paper's models lose by W8A8.
func printTable15(w io.Writer) error {
	fmt.Fprintln(w, "The paper's Table 15, W8A8 − BF16 in points:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "model\t")
	for _, task := range paper.ZeroShot {
		fmt.Fprintf(t, "%s\t", paper.Titles[task])
	}
	fmt.Fprintln(t, "average\t")
	rows := paper.Table(15)
	for i := 0; i+1 < len(rows); i += 2 {
		fmt.Fprintf(t, "%s\t", strings.TrimSuffix(rows[i].Name, " BF16"))
		for _, task := range paper.ZeroShot {
			fmt.Fprintf(t, "%+.1f\t", rows[i+1].Scores[task]-rows[i].Scores[task])
		}
		fmt.Fprintf(t, "%.1f → %.1f\t\n", rows[i].Average, rows[i+1].Average)
	}
	return t.Flush()
}
