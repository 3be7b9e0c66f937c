package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"mobilellm/internal/cli"
	"mobilellm/train"
)

// errAgain is of a replay that is not finite either.
var errAgain = errors.New("the batch gives a loss or gradient that is not finite again")

// rerun runs the batch of a crash folder again and reports.
func (f *flags) rerun(c *cobra.Command, config train.RunConfig, progress *train.Progress) error {
	r, err := train.Replay(c.Context(), config, f.replay, train.Options{Progress: progress})
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if f.json {
		if err := cli.PrintJSON(out, r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "step %d, which stopped at %s, run again on %s in %s, micro-batches of %d, recompute %s\n", r.Step, r.Recorded, r.Device, r.Precision, r.MicroBatch, r.Recompute)
		for i, loss := range r.Losses {
			fmt.Fprintf(out, "micro-batch %d of %d: its part of the loss is %g\n", i+1, len(r.Losses), loss)
		}
		fmt.Fprintf(out, "loss %g, gradient norm %g\n", r.Loss, r.GradNorm)
		if r.Operation != "" {
			fmt.Fprintf(out, "first not finite: %s\n", r.Operation)
		}
		for _, p := range largest(r.Parameters) {
			fmt.Fprintf(out, "%s: weights %.4g, gradient %.4g, %d of it not finite\n", p.Name, p.Weight, p.Gradient, p.NonFinite)
		}
	}
	if !r.Finite() {
		return errAgain
	}
	return nil
}

// largest are the parameters with the most gradients that are not finite, or the largest.
func largest(list []train.ParameterNorm) []train.ParameterNorm {
	const shown = 10
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b train.ParameterNorm) int {
		return cmp.Or(cmp.Compare(b.NonFinite, a.NonFinite), cmp.Compare(b.Gradient, a.Gradient))
	})
	return list[:min(shown, len(list))]
}
