package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
	"mobilellm/report"
	"mobilellm/train"
)

func newCurves() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:     "curves RUN...",
		Short:   "Draw the losses of runs, of a sweep or not",
		Long:    "Draw how the training loss and the held-out loss of runs went, as an SVG picture. mobilellm-train report makes a page.",
		Example: "  mobilellm-sweep curves runs/quickstart-1\n  mobilellm-sweep curves runs/5m-1 runs/5m-2 --out both.svg",
		Args:    cli.SomeArguments("run's folder"),
		RunE: func(c *cobra.Command, args []string) error {
			runs, err := report.Open(args...)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return cli.Usagef("%w\nhint: a run's folder is wanted, such as runs/quickstart-1", err)
			case err != nil:
				return err
			}
			picture, ok := report.Runs(runs).LossCurves().Figure()
			if !ok {
				return fmt.Errorf("%s: %s has no two losses to draw a line through", strings.Join(args, ", "), train.MetricsFile)
			}
			if err := atomicfile.Write(out, picture.File()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", out)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "curves.svg", "the picture")
	return c
}
