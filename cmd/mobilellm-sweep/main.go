// Command mobilellm-sweep trains a table of models and compares them. Run it with
// --help.
package main

import (
	"context"
	"errors"

	"mobilellm/configs"
	"mobilellm/experiments"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

// exitFailed is this program's own exit code, as --help says.
const exitFailed = 4

func main() {
	cli.Main(newCommand(), cli.Options{
		Graceful: true, Stopping: "saving and stopping; once more to stop at once", Code: exitCode,
		Keys: configs.Keys(train.RunConfig{}),
	})
}

// exitCode tells members that failed, or that others have, from other errors, and
// an interrupted run that saved from one that failed to.
func exitCode(err error) int {
	var failed *experiments.FailedError
	switch {
	case errors.As(err, &failed):
		return exitFailed
	case errors.Is(err, experiments.ErrClaimed), errors.Is(err, experiments.ErrNotReady):
		return experiments.ExitClaimed
	case errors.Is(err, train.ErrInterrupted), errors.Is(err, context.Canceled):
		return 0
	}
	return cli.ExitError
}
