package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mobilellm/experiments"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

// source says which sweep a command is about: the flags that several share.
type source struct {
	scale  string
	out    string
	set    []string
	tokens cli.Count
}

func (s *source) flags(c *cobra.Command) {
	l := c.Flags()
	l.StringVar(&s.scale, "scale", "", "scale of the experiment (desk, where it has one)")
	l.StringVar(&s.out, "out", "", "the sweep's folder (runs/FILE-SCALE)")
	l.Var(&s.tokens, "tokens", "tokens that every run is trained on, such as 2M, in place of the experiment's")
	l.StringArrayVar(&s.set, "set", nil, "set a key in every run's configuration, such as data.train=[corpus]; may be repeated")
}

// sweep is that of an experiment's file, not saved yet, or of a sweep's folder.
func (s *source) sweep(name string) (*experiments.Sweep, string, error) {
	if _, err := os.Stat(filepath.Join(name, experiments.SweepFile)); err == nil {
		if s.scale != "" || s.out != "" || s.tokens != 0 || len(s.set) > 0 {
			return nil, "", cli.Usagef("%s is a sweep already: --scale, --out, --tokens and --set are for an experiment's file", name)
		}
		sweep, err := experiments.Open(name)
		return sweep, name, err
	}
	file, err := experiments.Load(name)
	if err != nil {
		return nil, "", cli.Usage(err)
	}
	scale := s.scale
	if scale == "" && slices.Contains(file.ScaleNames(), "desk") {
		scale = "desk"
	}
	sweep, err := file.Resolve(scale, experiments.Overrides{Set: s.set, Tokens: int64(s.tokens)})
	if err != nil {
		return nil, "", cli.Usage(err)
	}
	dir := s.out
	if dir == "" {
		dir = filepath.Join("runs", sweep.Name)
	}
	return sweep, dir, nil
}

type runFlags struct {
	source
	jobs   int
	dryRun bool
	json   bool
}

const runDescription = `Train every member of an experiment, or go on with a sweep.

Before anything starts every member is planned: parameters, FLOPs, memory, time. The
text is read and encoded once for all. Each member is a process of its own; finished
ones are skipped, interrupted ones go on where they stopped, and one that fails is
reported at the end while the others go on.`

func newRun() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run FILE|SWEEP",
		Short: "Train every run that is not finished",
		Long:  runDescription,
		Args:  oneArg("experiment's file or sweep's folder"),
		RunE:  func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.source.flags(c)
	l := c.Flags()
	l.IntVar(&f.jobs, "jobs", 1, "runs trained at once; each has its share of the processors")
	l.BoolVar(&f.dryRun, "dry-run", false, "print what the runs would take, and stop")
	l.BoolVar(&f.json, "json", false, "with --dry-run: as JSON")
	return c
}

func (f *runFlags) run(c *cobra.Command, name string) error {
	if f.jobs < 1 {
		return cli.Usagef("--jobs (%d) must be at least 1", f.jobs)
	}
	sweep, dir, err := f.sweep(name)
	if err != nil {
		return err
	}
	cores := runtime.GOMAXPROCS(0)
	jobs := min(f.jobs, cores, len(sweep.Members))
	plan, err := sweep.Plan(c.Context(), jobs)
	if err != nil {
		return err
	}
	if f.dryRun && f.json {
		return cli.PrintJSON(c.OutOrStdout(), plan)
	}
	out := io.Writer(os.Stderr)
	if f.dryRun {
		out = c.OutOrStdout()
	}
	if err := printPlan(out, sweep, plan); err != nil || f.dryRun {
		return err
	}
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	if jobs < f.jobs {
		fmt.Fprintf(os.Stderr, "%d runs at once: there are %d processors and %d runs\n", jobs, cores, len(sweep.Members))
	}
	if err := sweep.Save(dir); err != nil {
		return err
	}
	text := train.NewProgress(os.Stderr, terminal)
	if err := sweep.Prepare(c.Context(), dir, text.Stage); err != nil {
		return err
	}
	text.Done()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	err = experiments.Run(c.Context(), sweep, experiments.RunOptions{
		Dir: dir, Jobs: jobs, Progress: experiments.NewProgress(os.Stderr, terminal),
		Command: func(id string, over int) *exec.Cmd {
			return exec.Command(program, "member", dir, "--id", id, "--workers", strconv.Itoa(cores/jobs), "--over", strconv.Itoa(over), "--with-parent")
		},
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "all %d runs of %s are finished\nnext: mobilellm-sweep report %s\n", len(sweep.Members), dir, dir)
	return err
}

func printPlan(w io.Writer, s *experiments.Sweep, p *experiments.Plan) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "member\tseeds\tparameters\tMFLOPs/token\ttokens\tmemory\ttime")
	for _, m := range p.Members {
		fmt.Fprintf(t, "%s\t%d\t%.2fM\t%.1f\t%.2fM\t%.2f GB\t%s\n", m.Name, m.Seeds, float64(m.Parameters)/1e6, float64(m.FLOPsPerToken)/1e6,
			float64(m.Tokens)/1e6, float64(m.MemoryBytes)/1e9, m.Time())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	first := p.Members[0]
	_, err := fmt.Fprintf(w, "%s: %d runs, %d at once in %.2f GB, about %s in all if they reach %.0f %% of the %.0f GFLOP/s of %s\n", s.Name, len(s.Members),
		p.Jobs, float64(p.Memory)/1e9, p.Time(), 100*first.AssumedMFU, first.PeakFLOPS/1e9, first.Device)
	return err
}

// endWithParent ends the process when the one that started it is gone, however it
// went: its end of our standard input closes.
func endWithParent(ctx context.Context) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it
		if ctx.Err() == nil {
			os.Exit(cli.ExitError)
		}
	}()
}
