package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/configs"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/cli"
	"mobilellm/train"
	"mobilellm/train/benchmark"
)

type options struct {
	config, device, precision, recompute string
	set                                  []string
	batch, seq, steps, warmUp, workers   int
	peak                                 time.Duration
	json                                 bool
}

func trainCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "train",
		Short: "Measure steps of training: forward, backward, clipping, AdamW",
		Example: "  mobilellm-bench train --config 125m.yaml --batch 4 --seq 512 --precision bf16\n" +
			"  mobilellm-bench train --config 350m.yaml --recompute block --json",
		Args: cli.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return measure(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "125m.yaml", "model: a file, or an embedded config's name")
	f.StringArrayVar(&o.set, "set", nil, "override a key of the config, as model.layers=12")
	f.IntVar(&o.batch, "batch", 4, "sequences in a step")
	f.IntVar(&o.seq, "seq", 512, "tokens in a sequence")
	f.StringVar(&o.device, "device", "cpu", "cpu, cuda or auto")
	f.StringVar(&o.precision, "precision", "auto", "float32, bf16, or auto: bf16 where it is no slower")
	f.StringVar(&o.recompute, "recompute", "none", "activations to make again: none, attention or block")
	f.IntVar(&o.steps, "steps", 5, "steps to measure")
	f.IntVar(&o.warmUp, "warm-up", 1, "steps before them")
	f.IntVar(&o.workers, "workers", 0, "worker threads; 0 is one a processor")
	f.DurationVar(&o.peak, "peak", time.Second, "length of each of the peak's five runs")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

func measure(ctx context.Context, o options) error {
	run := train.DefaultRun()
	if _, err := configs.Load(&run, configs.Source{Name: o.config, Set: o.set, EnvPrefix: "MOBILELLM"}); err != nil {
		return cli.Usage(err)
	}
	if o.batch < 1 || o.seq < 1 || o.steps < 1 || o.warmUp < 0 {
		return cli.Usagef("batch %d, seq %d and steps %d must be positive, warm-up %d not negative", o.batch, o.seq, o.steps, o.warmUp)
	}
	recompute, err := engine.ParseRecompute(o.recompute)
	if err != nil {
		return cli.Usage(err)
	}
	opened, err := device.Open(o.device, o.workers, func(text string) { fmt.Fprintln(os.Stderr, text) })
	if err != nil {
		return err
	}
	defer opened.Close()
	dev := opened.(benchmark.Device)
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
	model := run.Model.Resolved()
	fmt.Fprintln(os.Stderr, "measuring the machine's peaks")
	machine, err := benchmark.MeasureMachine(dev, model, o.batch*o.seq, precision, o.peak)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "measuring %d steps\n", o.warmUp+o.steps)
	r, err := benchmark.Run(ctx, dev, machine, benchmark.Config{
		Model: model, Optim: run.Optim, Batch: o.batch, Seq: o.seq, Precision: precision, Recompute: recompute,
		Steps: o.steps, WarmUp: o.warmUp,
	})
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	fmt.Print(r.String(), "\n")
	return engine.WriteRows(os.Stdout, r.Profile, machine.Peak)
}
