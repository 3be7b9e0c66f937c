package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/configs"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/op"
	"mobilellm/internal/cli"
	"mobilellm/train"
	"mobilellm/train/benchmark"
)

type distilOptions struct {
	options
	teacher     string
	k           int
	alpha       float64
	temperature float64
}

const distilDescription = `Measure what a teacher costs: steps without one, its forward pass, steps that run
it, and steps on its stored log-probabilities, in turn. Weights and tokens are
random; of the teacher the shape counts alone.`

func distilCommand() *cobra.Command {
	var o distilOptions
	c := &cobra.Command{
		Use:     "distil --teacher CONFIG",
		Short:   "Measure what a teacher costs a step of training",
		Long:    distilDescription,
		Example: "  mobilellm-bench distil --config 125m.yaml --teacher 350m.yaml --batch 4 --seq 512",
		Args:    cli.NoArguments("the teacher is named by --teacher"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.measure(cmd.Context(), cmd) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.config, "config", "125m.yaml", "model: a file, or an embedded config's name")
	f.StringArrayVar(&o.set, "set", nil, "override a key of the config, as model.layers=12")
	f.StringVar(&o.teacher, "teacher", "350m.yaml", "teacher: a config likewise, or a model, of which only the shape is read")
	f.IntVar(&o.k, "k", 32, "stored log-probabilities of a position")
	f.Float64Var(&o.alpha, "alpha", 0, "weight of the labels")
	f.Float64Var(&o.temperature, "temperature", 1, "temperature of the teacher's part")
	f.IntVar(&o.batch, "batch", 4, "sequences in a step")
	f.IntVar(&o.seq, "seq", 512, "tokens in a sequence")
	f.StringVar(&o.precision, "precision", "auto", "float32, bf16, or auto: bf16 where it is no slower")
	f.StringVar(&o.recompute, "recompute", "none", "activations to make again: none, attention or block")
	f.IntVar(&o.steps, "steps", 5, "steps to measure")
	f.IntVar(&o.warmUp, "warm-up", 1, "steps before them")
	f.IntVar(&o.workers, "workers", 0, "worker threads; 0 is one a processor")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

func (o *distilOptions) measure(ctx context.Context, c *cobra.Command) error {
	run := train.DefaultRun()
	if _, err := configs.Load(&run, configs.Source{Name: o.config, Set: o.set, EnvPrefix: "MOBILELLM"}); err != nil {
		return cli.Usage(err)
	}
	teacher, err := o.teacherConfig()
	if err != nil {
		return cli.Usage(err)
	}
	if o.batch < 1 || o.seq < 1 || o.steps < 1 || o.warmUp < 0 || o.k < 1 {
		return cli.Usagef("batch %d, seq %d, steps %d and k %d must be positive, warm-up %d not negative", o.batch, o.seq, o.steps, o.k, o.warmUp)
	}
	recompute, err := engine.ParseRecompute(o.recompute)
	if err != nil {
		return cli.Usage(err)
	}
	dev := cpu.New(cpu.Options{Workers: o.workers})
	defer dev.Close()
	for _, m := range dev.Missing() {
		fmt.Fprintln(os.Stderr, "slower without", m)
	}
	precision := engine.PrecisionF32
	switch {
	case o.precision != "auto":
		if precision, err = engine.ParsePrecision(o.precision); err != nil {
			return cli.Usage(err)
		}
	case dev.FastBF16():
		precision = engine.PrecisionBF16
	}
	r, err := benchmark.Distil(ctx, dev, benchmark.Config{
		Model: run.Model.Resolved(), Optim: run.Optim, Batch: o.batch, Seq: o.seq, Precision: precision, Recompute: recompute,
		Steps: o.steps, WarmUp: o.warmUp,
	}, teacher, o.k, op.Distillation{Alpha: o.alpha, Temperature: o.temperature})
	if err != nil {
		return err
	}
	if o.json {
		return cli.PrintJSON(c.OutOrStdout(), r)
	}
	_, err = fmt.Fprint(c.OutOrStdout(), r)
	return err
}

// teacherConfig reads the teacher's shape from a model or a configuration.
func (o *distilOptions) teacherConfig() (arch.Config, error) {
	c, modelErr := checkpoint.ConfigOf(o.teacher)
	if modelErr == nil {
		return c, nil
	}
	run := train.DefaultRun()
	if _, err := configs.Load(&run, configs.Source{Name: o.teacher}); err != nil {
		return arch.Config{}, errors.Join(fmt.Errorf("--teacher (%s) is neither a model nor a configuration", o.teacher), modelErr, err)
	}
	return run.Model.Resolved(), nil
}
