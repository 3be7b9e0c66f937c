package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/experiments"
	"mobilellm/internal/cli"
)

const description = `Train a table of models and say what their differences are worth.

An experiment is a YAML file: a base configuration, members or axes, seeds, and a
budget of tokens; see experiments/ and docs/sweeps.md. A sweep is one scale of it in a
folder, runs/NAME: any number of processes on machines that share the folder work on it,
each member is trained once, and what broke off goes on from its checkpoint.

Results go to standard output, progress and errors to standard error.

Exit codes:
    0  done
    1  error
    2  mistake on the command line or in the experiment's file
    4  members failed; the others are finished
   75  member: another process has it, or its teacher is not trained yet
  130  interrupted by Ctrl-C; saved
  143  interrupted by SIGTERM; saved`

const examples = `  mobilellm-sweep run experiments/table1.yaml --scale desk
  mobilellm-sweep run experiments/table1.yaml --dry-run
  mobilellm-sweep status table1-desk
  mobilellm-sweep report table1-desk`

func newCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "mobilellm-sweep",
		Short:   "Train a table of models and compare them",
		Long:    description,
		Example: examples,
	}
	c.AddCommand(newRun(), newStatus(), newReport(), newCurves(), newAnatomy(), newSlurm(), newKubernetes(), newMember())
	return c
}

// oneArg asks for one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.Usagef("want one %s, got %d\nhint: see %s --help", what, len(args), c.CommandPath())
		}
		return nil
	}
}

// openSweep opens the sweep that a name stands for: a folder, or one under runs/.
func openSweep(name string) (*experiments.Sweep, string, error) {
	for _, dir := range []string{name, filepath.Join("runs", name)} {
		if _, err := os.Stat(filepath.Join(dir, experiments.SweepFile)); err == nil {
			s, err := experiments.Open(dir)
			return s, dir, err
		}
	}
	hint := ""
	if near, err := filepath.Glob(filepath.Join("runs", name+"*", experiments.SweepFile)); err == nil && len(near) > 0 {
		var names []string
		for _, path := range near {
			names = append(names, filepath.Base(filepath.Dir(path)))
		}
		hint = "\nhint: there are " + strings.Join(names, ", ")
	}
	return nil, "", cli.Usagef("%s is no sweep: neither it nor %s has a %s%s", name, filepath.Join("runs", name), experiments.SweepFile, hint)
}
