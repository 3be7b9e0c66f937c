package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mobilellm/experiments"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

type memberFlags struct {
	id      string
	index   int
	workers int
	over    int
	child   bool
}

const memberDescription = `Train one run of a sweep in this process, as the scripts of "slurm" and
"kubernetes" do. A finished member is done at once; one that another process has ends
with exit code 75; after SIGTERM it saves and ends with 143, and goes on from there when
it is started again. Where the process that has it has sent no heartbeat for a minute,
its place is taken.`

func newMember() *cobra.Command {
	var f memberFlags
	c := &cobra.Command{
		Use:   "member SWEEP (--id ID | --index N)",
		Short: "Train one run of a sweep",
		Long:  memberDescription,
		Args:  oneArg("sweep"),
		RunE:  func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	l := c.Flags()
	l.StringVar(&f.id, "id", "", "the run's id")
	l.IntVar(&f.index, "index", -1, "its place in the sweep, from 0")
	l.IntVar(&f.workers, "workers", 0, "threads (all processors, or as many as the run began with)")
	l.IntVar(&f.over, "over", 0, "number of a claim that was seen dead")
	l.BoolVar(&f.child, "with-parent", false, "end when standard input does")
	for _, name := range []string{"over", "with-parent"} {
		if err := l.MarkHidden(name); err != nil {
			panic(err) // no such flag
		}
	}
	return c
}

func (f *memberFlags) run(c *cobra.Command, name string) error {
	sweep, dir, err := openSweep(name)
	if err != nil {
		return err
	}
	switch {
	case (f.id == "") == (f.index < 0):
		return cli.Usagef("want --id or --index, one of them")
	case f.index >= len(sweep.Members):
		return cli.Usagef("--index (%d) must be below %d, the number of runs", f.index, len(sweep.Members))
	case f.index >= 0:
		f.id = sweep.Members[f.index].ID
	case sweep.Member(f.id) == nil:
		return cli.Usagef("--id (%s) is no run of %s", f.id, dir)
	}
	o := experiments.MemberOptions{
		Dir: dir, Over: f.over, Workers: f.workers, Versions: cli.Versions(),
		Progress: train.NewProgress(os.Stderr, term.IsTerminal(int(os.Stderr.Fd()))),
	}
	if f.child {
		endWithParent(c.Context())
		return sweep.Train(c.Context(), f.id, o)
	}
	err = sweep.Train(c.Context(), f.id, o)
	if errors.Is(err, experiments.ErrClaimed) {
		err = sweep.TrainOverDead(c.Context(), f.id, o)
	}
	return err
}
