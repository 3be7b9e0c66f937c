package main

import (
	"github.com/spf13/cobra"

	"mobilellm/eval"
	"mobilellm/eval/compare"
	"mobilellm/internal/cli"
)

const compareDescription = `Compare two models' answers to the same questions, of files that --items wrote.

For each task and measure: both means, the difference with its standard error over pairs
of answers, the p-value (McNemar's exact one where an answer is right or wrong, else the
paired t-test's), and the same corrected for all that are printed (Holm), by which a
difference is beyond noise below 0.05.

Items are matched by id. Files of different tasks, items or questions are an error. Of
files with answers by more than one protocol --protocol names the one to compare.`

func compareCommand() *cobra.Command {
	asJSON, protocol := false, ""
	c := &cobra.Command{
		Use:     "compare A B",
		Short:   "Tell which differences between two models are beyond noise",
		Long:    compareDescription,
		Example: "  mobilellm-eval compare base.jsonl tuned.jsonl",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("compare takes two files that --items wrote, not %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			a, err := compare.Read(args[0], eval.Protocol(protocol))
			if err != nil {
				return err
			}
			b, err := compare.Read(args[1], eval.Protocol(protocol))
			if err != nil {
				return err
			}
			list, err := compare.Models(a, b)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), map[string]any{"a": a.File, "b": b.File, "protocol": a.Protocol, "differences": list})
			}
			return compare.Print(c.OutOrStdout(), a, b, list)
		},
	}
	c.Flags().StringVar(&protocol, "protocol", "", "whose answers to compare, of files with several: lm-eval or paper")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
