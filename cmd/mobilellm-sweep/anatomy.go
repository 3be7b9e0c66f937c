package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mobilellm/experiments/anatomy"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
)

const anatomyDescription = `Look into what the weights and activations of runs did while they learned, by the
checkpoints that they kept (checkpoint.keep: 0 keeps all, checkpoint.every says how often).

Drawn are, for each run, its latent weights over time and the loss around the last ones; and
of all runs beside each other the share of saturated activations, of weights whose gradient
vanishes and of those that come back, of signs that change, and how far weights move by the
size of their gradients. The numbers are in anatomy.json.`

func newAnatomy() *cobra.Command {
	var out string
	var o anatomy.Options
	c := &cobra.Command{
		Use:     "anatomy RUN...",
		Short:   "Look into what the weights of runs did while they learned",
		Long:    anatomyDescription,
		Example: "  mobilellm-sweep anatomy runs/binary-adam runs/binary-sgd --out anatomy",
		Args:    cli.SomeArguments("run's folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(out, 0o777); err != nil {
				return err
			}
			var bar *cli.Progress
			at := ""
			defer func() { bar.End() }()
			o.Progress = func(stage string, done, total int64) {
				if stage != at {
					bar.End()
					at, bar = stage, cli.NewProgress(stage)
				}
				bar.To(done, total, fmt.Sprintf("%d of %d", done, total))
			}
			var runs []*anatomy.Run
			for _, path := range args {
				r, err := anatomy.Of(c.Context(), path, o)
				switch {
				case errors.Is(err, fs.ErrNotExist):
					return cli.Usagef("%w\nhint: a run's folder is wanted, such as runs/quickstart-1", err)
				case err != nil:
					return err
				}
				runs = append(runs, r)
			}
			bar.End()
			raw, err := json.MarshalIndent(runs, "", " ")
			if err != nil {
				return err
			}
			if err := atomicfile.Write(filepath.Join(out, "anatomy.json"), append(raw, '\n')); err != nil {
				return err
			}
			for _, p := range anatomy.Pictures(runs) {
				if err := atomicfile.Write(filepath.Join(out, p.Name+".svg"), p.File(p.Title)); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", out)
			return err
		},
	}
	l := c.Flags()
	l.StringVar(&out, "out", "anatomy", "folder of the pictures and numbers")
	l.IntVar(&o.Rows, "rows", 8, "sequences of held-out text that are computed")
	l.IntVar(&o.Grid, "grid", 21, "points of the landscape along a direction, odd; 1 draws none")
	l.Uint64Var(&o.Seed, "seed", 1, "of the landscape's directions")
	l.IntVar(&o.Workers, "workers", 0, "worker threads; 0 is one a processor")
	return c
}
