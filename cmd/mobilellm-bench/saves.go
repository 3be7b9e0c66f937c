package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mobilellm/configs"
	"mobilellm/data"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

type savesOptions struct {
	options
	every, pairs int
	dir          string
}

const savesDescription = `Measure what checkpoints cost a run: blocks of steps that begin with a save and blocks
without, in turn, in one run on random text. The save is copied while the first step
of its block waits, and written beside the steps.`

func savesCommand() *cobra.Command {
	var o savesOptions
	c := &cobra.Command{
		Use:     "saves",
		Short:   "Measure what checkpoints cost the steps of training",
		Long:    savesDescription,
		Example: "  mobilellm-bench saves --config 125m.yaml --batch 4 --seq 512 --every 20",
		Args:    cli.NoArguments(""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.measure(cmd.Context(), cmd) },
	}
	f := o.runFlags(c)
	f.IntVar(&o.every, "every", 20, "steps of a block: one save in so many")
	f.IntVar(&o.pairs, "pairs", 2, "blocks with a save, and without")
	f.StringVar(&o.dir, "dir", "", "folder on the disk to be measured (the current one); what is written there is removed")
	f.StringVar(&o.device, "device", "cpu", "cpu, cuda or auto")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

// runFlags are the flags of what is measured in a run.
func (o *options) runFlags(c *cobra.Command) *pflag.FlagSet {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.config, "config", "125m.yaml", "model: a file, or an embedded config's name")
	f.StringArrayVar(&o.set, "set", nil, "override a key of the config, as model.layers=12")
	f.IntVar(&o.batch, "batch", 4, "sequences in a step")
	f.IntVar(&o.seq, "seq", 512, "tokens in a sequence")
	return f
}

// onRandomText has measured a run of the options' model on random text, in a folder that is
// made in dir and removed.
func (o *options) onRandomText(dir string, measure func(train.RunConfig, train.Options) error) (err error) {
	run := train.DefaultRun()
	set := append(o.set, fmt.Sprintf("data.seq=%d", o.seq), fmt.Sprintf("train.batch=%d", o.batch))
	if _, err := configs.Load(&run, configs.Source{Name: o.config, Set: set, EnvPrefix: "MOBILELLM"}); err != nil {
		return cli.Usage(err)
	}
	if dir, err = os.MkdirTemp(dir, "bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, randomText(max(1<<20, 4*o.batch*o.seq)), 0o644); err != nil {
		return err
	}
	run.Data.Train, run.Data.Heldout, run.Data.Tokenizer = data.Sources{{Path: text, Weight: 1}}, nil, data.TokenizerBytes
	run.Device, run.Eval.Tasks = o.device, nil
	return measure(run, train.Options{Out: filepath.Join(dir, "run"), Progress: train.NewProgress(os.Stderr, false)})
}

func (o *savesOptions) measure(ctx context.Context, c *cobra.Command) (err error) {
	if o.batch < 1 || o.seq < 1 || o.every < 1 || o.pairs < 1 {
		return cli.Usagef("batch %d, seq %d, every %d and pairs %d must be positive", o.batch, o.seq, o.every, o.pairs)
	}
	var r *train.SaveCost
	err = o.onRandomText(o.dir, func(run train.RunConfig, to train.Options) (err error) {
		r, err = train.MeasureSaves(ctx, run, to, o.every, o.pairs)
		return err
	})
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if o.json {
		return cli.PrintJSON(out, r)
	}
	fmt.Fprintf(out, "model            %.1fM parameters, %d × %d tokens a step, a checkpoint of %.2f GB every %d steps\n", float64(r.Parameters)/1e6, r.Batch, r.Seq, float64(r.Bytes)/1e9, r.Steps)
	fmt.Fprintf(out, "blocks with      %.2f s\nblocks without   %.2f s\n", r.With, r.Without)
	fmt.Fprintf(out, "copying          %.2f s, writing %.2f s, of which %.2f s after the block\n", slices.Max(r.CopySeconds), slices.Max(r.WriteSeconds), slices.Max(r.BeyondSeconds))
	fmt.Fprintf(out, "cost             %.2f %% of the time\n", 100*r.Share)
	return nil
}

// randomText is of letters and spaces.
func randomText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, n)
	for i := range text {
		text[i] = "etaoin shrdlu\n"[r.IntN(14)]
	}
	return text
}
