package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/infer/benchmark"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
	training "mobilellm/train/benchmark"
)

type latencyOptions struct {
	precision, kvType, quantize string
	runs, workers               int
	json                        bool
}

func latencyCommand() *cobra.Command {
	var o latencyOptions
	c := &cobra.Command{
		Use:   "latency",
		Short: "Measure the paper's Table 7: loading, initialising, executing",
		Long: `Measure the paper's Table 7: what it takes to load and to run MobileLLM-125M (30
layers), MobileLLM-LS-125M (each run twice in a row) and a model of 60 layers of the same
width without sharing. They have drawn weights, are saved as checkpoints in a temporary
folder (2 GB) and take turns; a figure is the median of the runs.

  load        files to weights in memory, with their checksums verified
  initialise  the first token: the graph is compiled, memory touched
  execute     a token, the mean of 50`,
		Args: cli.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.StringVar(&o.precision, "precision", "bf16", "type of the weights in memory: float32 or bf16")
	f.StringVar(&o.kvType, "kv-type", "float32", "type of the KV cache: float32 or bf16")
	f.StringVar(&o.quantize, "quantize", "", "none, or w8a8: linear layers in 8 bits, weights and activations; w8a8-head: embedding and head too; w8a8:asymmetric, w8a8:compressed-tensors: otherwise rounded activations; by default as the file has it")
	f.IntVar(&o.runs, "runs", 5, "runs of each model")
	f.IntVar(&o.workers, "workers", 0, "worker threads; 0 is one a processor")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

// latencyRow is a model of the table, with the milliseconds of each run and the paper's.
type latencyRow struct {
	Model      string     `json:"model"`
	Load       float64    `json:"load_ms"`
	Initialise float64    `json:"initialise_ms"`
	Execute    float64    `json:"execute_ms"`
	Ratio      float64    `json:"execute_ratio"` // to the first row's
	Paper      [3]float64 `json:"paper_ms"`      // iPhone 13, FP16

	config string
	set    []string
}

func (o latencyOptions) run(ctx context.Context) (err error) {
	if o.runs < 1 {
		return cli.Usagef("--runs %d: must be positive", o.runs)
	}
	options, dev, err := openInference(o.precision, o.kvType, o.quantize, o.workers)
	if err != nil {
		return err
	}
	defer dev.Close()
	rows := []latencyRow{
		{Model: "MobileLLM-125M", config: "125m.yaml", Paper: [3]float64{39.2, 1361.7, 15.6}},
		{Model: "MobileLLM-LS-125M", config: "125m-ls.yaml", Paper: [3]float64{43.6, 1388.2, 16.0}},
		{Model: "60 layers, not shared", config: "125m.yaml", set: []string{"model.layers=60"}, Paper: [3]float64{68.6, 3347.7, 29.0}},
	}
	dir, err := os.MkdirTemp("", "mobilellm-latency-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	paths := make([]string, len(rows))
	for i, r := range rows {
		fmt.Fprintln(os.Stderr, "saving", r.Model)
		if paths[i], err = saveDrawn(filepath.Join(dir, fmt.Sprint(i)), r.config, r.set); err != nil {
			return err
		}
	}
	measured := make([][]benchmark.Latency, len(rows))
	var block int64
	for run := range o.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", run+1, o.runs)
		for i := range rows {
			l, err := benchmark.MeasureLatency(ctx, paths[i], dev, options)
			if err != nil {
				return fmt.Errorf("%s: %w", rows[i].Model, err)
			}
			measured[i], block = append(measured[i], l), l.Block
		}
	}
	for i := range rows {
		r := &rows[i]
		r.Load = medianMS(measured[i], func(l benchmark.Latency) time.Duration { return l.Load })
		r.Initialise = medianMS(measured[i], func(l benchmark.Latency) time.Duration { return l.Initialise })
		r.Execute = medianMS(measured[i], func(l benchmark.Latency) time.Duration { return l.Execute })
		r.Ratio = r.Execute / rows[0].Execute
	}
	twice, err := training.ReadTwice(dev, block, 30)
	if err != nil {
		return err
	}
	if o.json {
		return cli.PrintJSON(os.Stdout, struct {
			Device    string       `json:"device"`
			Precision string       `json:"precision"`
			KVType    string       `json:"kv_type"`
			Rows      []latencyRow `json:"rows"`
			Block     int64        `json:"block_bytes"`
			Twice     float64      `json:"block_read_twice_ratio"`
		}{dev.Name(), options.Types(), o.kvType, rows, block, twice})
	}
	fmt.Printf("%s, weights %s, KV cache %s; in milliseconds, in brackets the paper's on an iPhone 13 in FP16\n\n", dev.Name(), options.Types(), o.kvType)
	fmt.Println("| model | load | initialise | execute | of 125M's |\n| --- | ---: | ---: | ---: | ---: |")
	for _, r := range rows {
		fmt.Printf("| %s | %.1f (%.1f) | %.1f (%.1f) | %.1f (%.1f) | %.2f (%.2f) |\n", r.Model,
			r.Load, r.Paper[0], r.Initialise, r.Paper[1], r.Execute, r.Paper[2], r.Ratio, r.Paper[2]/rows[0].Paper[2])
	}
	fmt.Printf("\nReading 30 blocks of %.1f MB, each twice in a row, takes %.2f times as long as once: what this processor's caches give to a shared layer.\n", float64(block)/1e6, twice)
	return nil
}

func medianMS(list []benchmark.Latency, of func(benchmark.Latency) time.Duration) float64 {
	x := make([]float64, len(list))
	for i, l := range list {
		x[i] = of(l).Seconds() * 1000
	}
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// saveDrawn saves a checkpoint of a config's shape with drawn weights.
func saveDrawn(dir, config string, set []string) (string, error) {
	c, err := shapeOf(config, set)
	if err != nil {
		return "", err
	}
	weights := make([]safetensors.Tensor, 0, len(c.Parameters()))
	for _, p := range c.Parameters() {
		t := safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: make([]float32, p.Size())}
		draw(p.Name, t.Data, p.Shape)
		weights = append(weights, t)
	}
	return checkpoint.Save(dir, checkpoint.Contents{Config: c, Weights: weights, Tokenizer: tokenizer.Bytes().Save, State: checkpoint.State{Step: 1}})
}
