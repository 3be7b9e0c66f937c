package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/arch"
	"mobilellm/configs"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/infer"
	"mobilellm/infer/benchmark"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
	"mobilellm/train"
	training "mobilellm/train/benchmark"
)

type inferOptions struct {
	model, config, precision, kvType, quantize string
	set                                        []string
	prompt, tokens, repeats, workers           int
	depths, batches                            []int
	peak                                       time.Duration
	json                                       bool
}

func inferCommand() *cobra.Command {
	var o inferOptions
	c := &cobra.Command{
		Use:   "infer",
		Short: "Measure inference, in llama-bench's rows: prompts, and single tokens",
		Example: "  mobilellm-bench infer --config 125m.yaml --precision bf16\n" +
			"  mobilellm-bench infer --model runs/quickstart-1 --batches 1 --json",
		Args: cli.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "a run's folder, a checkpoint, a Hugging Face folder or a GGUF file; without one --config's shape with drawn weights")
	f.StringVar(&o.config, "config", "125m.yaml", "shape of the model: a file, or an embedded config's name")
	f.StringArrayVar(&o.set, "set", nil, "override a key of the config, as model.layers=12")
	f.StringVar(&o.precision, "precision", "bf16", "type of the weights: float32, bf16, or auto, as the file has them")
	f.StringVar(&o.kvType, "kv-type", "float32", "type of the KV cache: float32 or bf16")
	f.StringVar(&o.quantize, "quantize", "", "none, or w8a8: linear layers in 8 bits, weights and activations; w8a8-head: embedding and head too; w8a8:asymmetric, w8a8:compressed-tensors: otherwise rounded activations; by default as the file has it")
	f.IntVar(&o.prompt, "prompt", 512, "tokens of a prompt")
	f.IntVar(&o.tokens, "tokens", 128, "tokens one after the other")
	f.IntSliceVar(&o.depths, "depths", []int{0, 1024}, "tokens before them")
	f.IntSliceVar(&o.batches, "batches", []int{1, 4, 16}, "texts at once")
	f.IntVar(&o.repeats, "repeats", 5, "runs of each row, after one to warm up")
	f.IntVar(&o.workers, "workers", 0, "worker threads; 0 is one a processor")
	f.DurationVar(&o.peak, "peak", time.Second, "length of each of the peak's five runs")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

// inferResult is what --json prints.
type inferResult struct {
	Machine    training.Machine   `json:"machine"`
	Precision  string             `json:"precision"`
	KVType     string             `json:"kv_type"`
	Weights    int64              `json:"weight_bytes"`
	CacheToken int64              `json:"cache_bytes_per_token"`
	Load       float64            `json:"load_seconds"`
	Estimate   benchmark.Estimate `json:"estimate"` // for a phone, not measured
	Rows       []benchmark.Row    `json:"rows"`
}

func (o inferOptions) run(ctx context.Context) error {
	if o.prompt < 1 || o.tokens < 1 || o.repeats < 1 {
		return cli.Usagef("prompt %d, tokens %d and repeats %d must be positive", o.prompt, o.tokens, o.repeats)
	}
	tests, slots, context := []benchmark.Test{{Prompt: o.prompt, Batch: 1}}, 1, o.prompt
	for _, depth := range o.depths {
		for _, batch := range o.batches {
			if depth < 0 || batch < 1 {
				return cli.Usagef("depth %d must not be negative, batch %d must be positive", depth, batch)
			}
			if depth > 0 && batch != o.batches[0] {
				continue
			}
			tests = append(tests, benchmark.Test{Tokens: o.tokens, Depth: depth, Batch: batch})
			slots, context = max(slots, batch), max(context, depth+o.tokens)
		}
	}
	options, dev, err := openInference(o.precision, o.kvType, o.quantize, o.workers)
	if err != nil {
		return err
	}
	defer dev.Close()
	options.Slots = slots
	start := time.Now()
	m, err := o.load(dev, options, context)
	if err != nil {
		return err
	}
	defer m.Close()
	r := inferResult{Precision: m.Types(), KVType: o.kvType, Weights: m.Bytes(), CacheToken: m.CacheBytes(), Load: time.Since(start).Seconds(), Estimate: benchmark.EstimateFor(m)}
	product := engine.PrecisionF32
	if m.Precision() == engine.PrecisionBF16 && dev.BF16() {
		product = engine.PrecisionBF16
	}
	fmt.Fprintln(os.Stderr, "measuring the machine's peaks")
	if r.Machine, err = training.MeasureMachine(dev, m.Config, o.prompt, product, o.peak); err != nil {
		return err
	}
	if !o.json {
		fmt.Printf("%s\nweights %s, %.1f MB; KV cache %s, %.1f kB a token; loaded in %.2f s\nmatmul peak %.0f GFLOP/s, read %.1f GB/s\n\n%-16s %5s %22s %s\n",
			r.Machine.Device, r.Precision, float64(r.Weights)/1e6, o.kvType, float64(r.CacheToken)/1e3, r.Load, r.Machine.Peak, r.Machine.Read, "test", "batch", "tokens/s", "share of limit")
	}
	limits := benchmark.Limits{Read: r.Machine.Read * 1e9, Peak: r.Machine.Peak * 1e9}
	err = benchmark.Run(ctx, m, tests, o.repeats, limits, func(row benchmark.Row) {
		r.Rows = append(r.Rows, row)
		if !o.json {
			fmt.Printf("%-16s %5d %13.2f ± %6.2f %5.0f %%\n", row.Test, row.Batch, row.Speed, row.Deviation, 100*row.Share)
		}
	})
	switch {
	case err != nil:
		return err
	case !o.json:
		printEstimate(r.Estimate)
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// printEstimate prints what the paper reckons for a phone.
func printEstimate(e benchmark.Estimate) {
	fmt.Printf("\nestimates for a phone, not measured (the paper's introduction and Figure 2):\n")
	fmt.Printf("  %.4f J a token; 64 tokens take %.3f %% of a charge of 50 kJ, which lasts %.1f hours at 10 tokens/s\n", e.Energy, 100*e.Battery, e.Hours)
	fmt.Printf("  weights and the KV cache of %d tokens, %.0f MB: %.0f and %.0f %% of a tenth of 6 and 12 GB\n",
		e.Context, float64(e.Weights+e.Cache)/1e6, 100*e.Memory["6 GB"], 100*e.Memory["12 GB"])
	fmt.Printf("  a block's weights, %.1f MB", float64(e.Block)/1e6)
	for _, c := range e.Caches {
		fmt.Printf("; the processor's L%d cache, %.1f MB", c.Level, float64(c.Bytes)/1e6)
	}
	fmt.Println()
}

// openInference opens the processor, for weights and a KV cache of these types.
func openInference(precision, kvType, quantize string, workers int) (o infer.LoadOptions, dev training.Device, err error) {
	if err := o.SetTypes(precision, kvType, quantize); err != nil {
		return o, nil, cli.Usagef("--%w", err)
	}
	opened, err := device.Open("cpu", workers, nil)
	if err != nil {
		return o, nil, err
	}
	for _, m := range opened.Missing() {
		fmt.Fprintln(os.Stderr, "slower without", m)
	}
	return o, opened.(training.Device), nil
}

// load opens the model, or makes one of drawn weights with a context that suffices.
func (o inferOptions) load(dev infer.Device, options infer.LoadOptions, context int) (*infer.Model, error) {
	if o.model != "" {
		options.Context = context
		m, err := infer.Load(o.model, dev, options)
		if err != nil {
			return nil, fmt.Errorf("--model: %w", err)
		}
		return m, nil
	}
	c, err := shapeOf(o.config, o.set)
	if err != nil {
		return nil, err
	}
	c.Context = max(c.Context, context)
	options.Context = context
	return infer.New(c, tokenizer.Bytes(), dev, options, func(name string, dst []float32, shape []int) error {
		draw(name, dst, shape)
		return nil
	})
}

// shapeOf is the model of a config.
func shapeOf(config string, set []string) (arch.Config, error) {
	run := train.DefaultRun()
	if _, err := configs.Load(&run, configs.Source{Name: config, Set: set, EnvPrefix: "MOBILELLM"}); err != nil {
		return arch.Config{}, cli.Usage(err)
	}
	return run.Model.Resolved(), nil
}

// draw fills a parameter, as wide as a normal distribution of 0.02, and norms with 1.
func draw(name string, dst []float32, shape []int) {
	rng := rand.New(rand.NewPCG(1, uint64(len(name))))
	for i := range dst {
		dst[i] = 1
		if len(shape) > 1 {
			dst[i] = float32(rng.Float64()-0.5) * 0.07
		}
	}
}
