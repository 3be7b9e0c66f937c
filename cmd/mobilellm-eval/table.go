package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/eval/table"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
)

const tableDescription = `Set models beside the paper's Tables 3, 4 and 8. RESULTS are files of what --json
printed; NAME=FILE names the model. Each protocol in it is a row; lm-eval has a second one
by acc_norm, which is nearer to the paper's measure than acc.

The tables are printed as Markdown. --csv and --html write them to files; the page of
HTML has the paper's Figures 1, 3, 4 and 5 too, and loads nothing from elsewhere.`

func tableCommand() *cobra.Command {
	var csvFile, htmlFile string
	c := &cobra.Command{
		Use:   "table [NAME=]RESULTS...",
		Short: "Set models beside the paper's tables and figures",
		Long:  tableDescription,
		Example: "  mobilellm-eval --model runs/mine --tasks zero-shot --json > mine.json\n" +
			"  mobilellm-eval table mine.json \"my 350M=other.json\" --html table.html",
		Args: cli.SomeArguments("a file of results"),
		RunE: func(c *cobra.Command, args []string) error {
			if csvFile != "" && csvFile == htmlFile {
				return cli.Usagef("--csv and --html are one file (%s)", csvFile)
			}
			r := &table.Report{}
			for _, arg := range args {
				name, path := named(arg)
				models, err := table.Read(path, name)
				if err != nil {
					return err
				}
				r.Models = append(r.Models, models...)
			}
			for _, file := range []struct {
				path  string
				write func(io.Writer) error
			}{{csvFile, r.CSV}, {htmlFile, r.HTML}} {
				if file.path == "" {
					continue
				}
				if err := atomicfile.WriteFunc(file.path, file.write); err != nil {
					return err
				}
			}
			return r.Markdown(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&csvFile, "csv", "", "file for the tables as CSV, numbers in full")
	c.Flags().StringVar(&htmlFile, "html", "", "file for one page with tables and figures")
	return c
}

// named parts NAME=FILE; what is a file as a whole has no name.
func named(arg string) (name, path string) {
	if _, err := os.Stat(arg); err == nil {
		return "", arg
	}
	if name, path, ok := strings.Cut(arg, "="); ok {
		return name, path
	}
	return "", arg
}
