// Command mobilellm-train trains a model. Run it with --help.
package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"mobilellm/collective"
	"mobilellm/configs"
	"mobilellm/eval/tasks"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

// Exit codes of this program's own, as --help says.
const (
	exitNonFinite = 3
	exitUnsaved   = 4
	exitRankLost  = 5
	exitTimeLimit = 75 // EX_TEMPFAIL of sysexits.h: to be tried again
)

func main() {
	cli.Main(newCommand(), cli.Options{
		Graceful: true, Stopping: "saving and stopping; once more to stop at once", Code: exitCode,
		Configs: configs.Names(), Keys: configs.Keys(train.RunConfig{}), Tasks: append(slices.Sorted(maps.Keys(tasks.Groups)), tasks.Names()...),
	})
}

// exitCode tells an interrupted run that saved from one that failed to.
func exitCode(err error) int {
	var nonFinite *train.NonFiniteError
	var spike *train.SpikeError
	var unsaved *train.SaveError
	var late *collective.TimeoutError
	var transport *collective.TransportError
	switch {
	case errors.As(err, &late), errors.As(err, &transport):
		return exitRankLost
	case errors.As(err, &nonFinite), errors.As(err, &spike), errors.Is(err, errAgain):
		return exitNonFinite
	case errors.As(err, &unsaved):
		return exitUnsaved
	case errors.Is(err, train.ErrTimeLimit):
		return exitTimeLimit
	case errors.Is(err, train.ErrInterrupted), errors.Is(err, context.Canceled):
		return 0
	}
	return cli.ExitError
}
