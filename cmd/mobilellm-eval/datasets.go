package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/internal/cli"
)

func datasetsCommand() *cobra.Command {
	dir, list, asJSON := "data", "", false
	c := &cobra.Command{
		Use:   "datasets",
		Short: "List the tasks, the files that each wants, and which are there",
		Args:  cli.NoArguments("name tasks with --tasks"),
		RunE: func(c *cobra.Command, _ []string) error {
			chosen := tasks.All()
			if list != "" {
				var err error
				if chosen, err = tasks.Get(list); err != nil {
					return cli.Usagef("--tasks: %w", err)
				}
			}
			rows := datasets(chosen, dir)
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), map[string]any{"datasets": rows})
			}
			return printDatasets(c.OutOrStdout(), rows)
		},
	}
	c.Flags().StringVar(&dir, "data-dir", dir, "folder of data sets")
	c.Flags().StringVar(&list, "tasks", "", "tasks and groups of them, with commas between; all by default")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// dataset is what a task wants and has.
type dataset struct {
	Task    string   `json:"task"`
	Title   string   `json:"title"`
	Groups  []string `json:"groups"`
	Found   string   `json:"found"` // empty for nothing
	Sources []source `json:"sources"`
}

// source is a file that serves a task.
type source struct {
	Names    []string `json:"names"`
	Labels   string   `json:"labels,omitempty"`
	Examples string   `json:"examples,omitempty"`
	URL      string   `json:"url,omitempty"`
	Note     string   `json:"note,omitempty"`
	Found    string   `json:"found"`
	Missing  []string `json:"missing,omitempty"` // what belongs to it and is not there
}

func datasets(list []eval.Task, dir string) []dataset {
	rows := make([]dataset, 0, len(list))
	for _, t := range list {
		d := dataset{Task: t.Name, Title: t.Title, Groups: []string{}}
		for group, names := range tasks.Groups {
			if slices.Contains(names, t.Name) {
				d.Groups = append(d.Groups, group)
			}
		}
		slices.Sort(d.Groups)
		d.Found, _ = t.File(dir)
		for _, f := range t.Find(dir) {
			s := source{Names: f.Source.Names, Labels: f.Source.Labels, Examples: f.Source.Examples, URL: f.Source.URL, Note: f.Source.Note, Found: f.File}
			if f.File != "" && s.Labels != "" && f.Labels == "" {
				s.Missing = append(s.Missing, s.Labels)
			}
			if f.File != "" && s.Examples != "" && f.Examples == "" {
				s.Missing = append(s.Missing, s.Examples)
			}
			d.Sources = append(d.Sources, s)
		}
		rows = append(rows, d)
	}
	return rows
}

func printDatasets(w io.Writer, rows []dataset) error {
	for _, d := range rows {
		groups := ""
		if len(d.Groups) > 0 {
			groups = " (" + strings.Join(d.Groups, ", ") + ")"
		}
		missing := "not there"
		if len(d.Sources) == 0 {
			missing = "wants no file"
		}
		fmt.Fprintf(w, "%s%s: %s\n", d.Task, groups, cmp.Or(d.Found, missing))
		for _, s := range d.Sources {
			if d.Found == "" {
				fmt.Fprintf(w, "    wants %s\n", strings.Join(s.Names, "\n       or "))
				if s.Labels != "" {
					fmt.Fprintf(w, "      and %s beside it\n", s.Labels)
				}
				if s.URL != "" {
					fmt.Fprintf(w, "     from %s\n", s.URL)
				}
				if s.Note != "" {
					fmt.Fprintf(w, "          %s\n", s.Note)
				}
			}
			for _, missing := range s.Missing {
				fmt.Fprintf(w, "    %s is not beside %s\n", missing, s.Found)
			}
		}
	}
	return nil
}
