package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"mobilellm/internal/cli"
	"mobilellm/train"
)

type layersOptions struct {
	options
	every, pairs int
}

const layersDescription = `Measure what metrics.layers_every costs a run: steps at which the layers are measured and
steps at which they are not, in turn, in one run on random text.`

func layersCommand() *cobra.Command {
	var o layersOptions
	c := &cobra.Command{
		Use:     "layers",
		Short:   "Measure what measuring the layers costs the steps of training",
		Long:    layersDescription,
		Example: "  mobilellm-bench layers --config 125m.yaml --batch 4 --seq 512 --every 100",
		Args:    cli.NoArguments(""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.measure(cmd.Context(), cmd) },
	}
	f := o.runFlags(c)
	f.IntVar(&o.every, "every", 100, "metrics.layers_every whose cost is told")
	f.IntVar(&o.pairs, "pairs", 10, "steps of each kind")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

func (o *layersOptions) measure(ctx context.Context, c *cobra.Command) error {
	if o.batch < 1 || o.seq < 1 || o.every < 1 || o.pairs < 1 {
		return cli.Usagef("batch %d, seq %d, every %d and pairs %d must be positive", o.batch, o.seq, o.every, o.pairs)
	}
	o.device = "cpu" // where layers are measured
	var r *train.LayersCost
	err := o.onRandomText("", func(run train.RunConfig, to train.Options) (err error) {
		r, err = train.MeasureLayers(ctx, run, to, o.every, o.pairs)
		return err
	})
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if o.json {
		return cli.PrintJSON(out, r)
	}
	fmt.Fprintf(out, "model            %.1fM parameters, %d × %d tokens a step\n", float64(r.Parameters)/1e6, r.Batch, r.Seq)
	fmt.Fprintf(out, "steps with       %.3f s\nsteps without    %.3f s\n", r.With, r.Without)
	fmt.Fprintf(out, "cost             %.2f %% of a measured step, %.3f %% of the time at every %d steps (medians)\n", 100*r.Share, 100*r.Share/float64(r.Every), r.Every)
	return nil
}
