package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"mobilellm/experiments"
)

const reportDescription = `Compare the finished runs of a sweep.

The report comes from the runs' manifests: a sentence for each comparison; parameters,
validation loss and perplexity as mean ± standard error over seeds, speed and time;
differences paired by seed, with a test that says which are beyond noise; learning curves;
where members have them, the paper's numbers. It is printed as Markdown and written as
report.md, report.html (one page, pictures included), members.csv and runs.csv.`

func newReport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "report SWEEP",
		Short: "Compare the finished runs of a sweep",
		Long:  reportDescription,
		Args:  oneArg("sweep"),
		RunE: func(c *cobra.Command, args []string) error {
			sweep, dir, err := openSweep(args[0])
			if err != nil {
				return err
			}
			r, err := experiments.NewReport(sweep, dir)
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(dir, experiments.ReportDir)
			}
			if err := r.Write(out); err != nil {
				return err
			}
			if err := r.Markdown(c.OutOrStdout(), nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", out)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "folder of the report (report in the sweep's)")
	return c
}
