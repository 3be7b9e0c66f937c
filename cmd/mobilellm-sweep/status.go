package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/experiments"
	"mobilellm/internal/cli"
)

func newStatus() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status SWEEP",
		Short: "Say how the runs of a sweep stand",
		Args:  oneArg("sweep"),
		RunE: func(c *cobra.Command, args []string) error {
			sweep, dir, err := openSweep(args[0])
			if err != nil {
				return err
			}
			list, err := sweep.Status(dir)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), list)
			}
			return printStatus(c, list)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func printStatus(c *cobra.Command, list []experiments.Status) error {
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "id\tmember\tseed\tstate\tstep\tloss\ttokens/s\t")
	counts := map[experiments.State]int{}
	for _, m := range list {
		counts[m.State]++
		note := ""
		switch m.State {
		case experiments.Running:
			note = fmt.Sprintf("left %s, %s", m.Left.Round(time.Second), m.Holder)
		case experiments.Failed:
			note, _, _ = strings.Cut(m.Error, "\n")
		}
		loss, speed := "", ""
		if m.Step > 0 {
			loss, speed = fmt.Sprintf("%.4f", m.Loss), fmt.Sprintf("%.0f", m.TokensPerSecond)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%d/%d\t%s\t%s\t%s\n", m.ID, m.Name, m.Seed, m.State, m.Step, m.Steps, loss, speed, note)
	}
	var parts []string
	for _, s := range []experiments.State{experiments.Finished, experiments.Running, experiments.Interrupted, experiments.Failed, experiments.Waiting} {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%d runs: %s\n", len(list), strings.Join(parts, ", "))
	return err
}
