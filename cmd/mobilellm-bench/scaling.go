package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/internal/cli"
	"mobilellm/train/benchmark"
)

// scaling measures how speed and memory grow. Every measurement is a process of
// its own, so that its memory is its own, and all take turns, so that a machine
// that drifts does so under all of them.
type scaling struct {
	config, precision  string
	tokens, runs, step int
	json               bool
}

// point is one place in the tables, with what each of its runs gave.
type point struct {
	Table   string             `json:"table"`
	Batch   int                `json:"batch"`
	Seq     int                `json:"seq"`
	Workers int                `json:"workers"`
	Results []benchmark.Result `json:"results"`
}

func scalingCommand() *cobra.Command {
	var s scaling
	c := &cobra.Command{
		Use:   "scaling",
		Short: "Measure steps over sequence length, batch and workers",
		Long: `Measure steps of training over sequence length (256 to 4,096 tokens, equal tokens a
step), over batch and over workers, and print a table of each: tokens a second, share
of the peak measured in the same process, peak memory of the process.`,
		Args: cli.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), os.Stdout) },
	}
	f := c.Flags()
	f.StringVar(&s.config, "config", "125m.yaml", "model: a file, or an embedded config's name")
	f.StringVar(&s.precision, "precision", "auto", "float32, bf16, or auto: bf16 where it is no slower")
	f.IntVar(&s.tokens, "tokens", 4096, "tokens of a step in the table over sequence length")
	f.IntVar(&s.runs, "runs", 3, "runs of each measurement")
	f.IntVar(&s.step, "steps", 3, "steps to measure in a run")
	f.BoolVar(&s.json, "json", false, "print one JSON object")
	return c
}

// Tables of the output.
const (
	overSeq     = "sequence length"
	overBatch   = "batch"
	overWorkers = "workers"
)

func (s scaling) points() []point {
	all := runtime.GOMAXPROCS(0)
	var p []point
	for _, seq := range []int{256, 512, 1024, 2048, 4096} {
		p = append(p, point{Table: overSeq, Batch: max(1, s.tokens/seq), Seq: seq, Workers: all})
	}
	for _, batch := range []int{1, 2, 4, 8} {
		p = append(p, point{Table: overBatch, Batch: batch, Seq: 512, Workers: all})
	}
	for workers := 1; workers < all; workers *= 2 {
		p = append(p, point{Table: overWorkers, Batch: 4, Seq: 512, Workers: workers})
	}
	return append(p, point{Table: overWorkers, Batch: 4, Seq: 512, Workers: all})
}

func (s scaling) run(ctx context.Context, w io.Writer) error {
	if s.tokens < 1 || s.runs < 1 || s.step < 1 {
		return cli.Usagef("tokens %d, runs %d and steps %d must be positive", s.tokens, s.runs, s.step)
	}
	points := s.points()
	for run := range s.runs {
		for i := range points {
			p := &points[i]
			fmt.Fprintf(os.Stderr, "run %d of %d: %s, batch %d, %d tokens, %d workers\n", run+1, s.runs, p.Table, p.Batch, p.Seq, p.Workers)
			r, err := s.measure(ctx, *p)
			if err != nil {
				return err
			}
			p.Results = append(p.Results, r)
		}
	}
	if s.json {
		return cli.PrintJSON(w, points)
	}
	for _, table := range []string{overSeq, overBatch, overWorkers} {
		if err := writeTable(w, table, points); err != nil {
			return err
		}
	}
	return nil
}

func (s scaling) measure(ctx context.Context, p point) (r benchmark.Result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	c := exec.CommandContext(ctx, self, "train", "--json", "--config", s.config, "--precision", s.precision, "--peak", "200ms",
		"--set", "model.context="+strconv.Itoa(max(p.Seq, 2048)),
		"--batch", strconv.Itoa(p.Batch), "--seq", strconv.Itoa(p.Seq), "--workers", strconv.Itoa(p.Workers), "--steps", strconv.Itoa(s.step))
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return r, fmt.Errorf("batch %d of %d tokens: %w\n%s", p.Batch, p.Seq, err, stderr.String())
	}
	return r, json.Unmarshal(out, &r)
}

func writeTable(w io.Writer, table string, points []point) error {
	columns := map[string]string{overSeq: "| batch × tokens |", overBatch: "| batch × tokens |", overWorkers: "| workers |"}
	if _, err := fmt.Fprintf(w, "%s tokens/s | of peak | memory |\n| --- | ---: | ---: | ---: |\n", columns[table]); err != nil {
		return err
	}
	for _, p := range points {
		if p.Table != table {
			continue
		}
		name := fmt.Sprintf("%d × %d", p.Batch, p.Seq)
		if table == overWorkers {
			name = strconv.Itoa(p.Workers)
		}
		speed, low, high := spread(p.Results, func(r benchmark.Result) float64 { return r.TokensPerSecond })
		share, _, _ := spread(p.Results, func(r benchmark.Result) float64 { return r.Share })
		memory, _, _ := spread(p.Results, func(r benchmark.Result) float64 { return float64(r.PeakBytes) })
		if _, err := fmt.Fprintf(w, "| %s | %.0f (%.0f to %.0f) | %.0f %% | %.2f GB |\n", name, speed, low, high, 100*share, memory/1e9); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// spread is the median of a figure, its least and its largest.
func spread(results []benchmark.Result, of func(benchmark.Result) float64) (median, low, high float64) {
	x := make([]float64, len(results))
	for i, r := range results {
		x[i] = of(r)
	}
	slices.Sort(x)
	return benchmark.Median(x), x[0], x[len(x)-1]
}
