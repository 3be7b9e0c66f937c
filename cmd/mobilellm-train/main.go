// Command mobilellm-train trains a model. Run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"mobilellm/train"
)

// Exit codes, as --help lists them.
const (
	exitError     = 1
	exitUsage     = 2
	exitNonFinite = 3
	exitSignal    = 128 // and the signal's number: 130 for Ctrl-C, 143 for SIGTERM
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := withSignals()
	defer stop()
	err := newCommand().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mobilellm-train:", err)
	}
	return exitCode(ctx, err)
}

func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	var nonFinite *train.NonFiniteError
	var by *signalError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &nonFinite):
		return exitNonFinite
	case errors.Is(err, train.ErrInterrupted) && errors.As(context.Cause(ctx), &by):
		return exitSignal + int(by.signal)
	}
	return exitError
}

// usageError is a mistake on the command line or in a configuration.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// signalError is why a context ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// withSignals ends the context at the first SIGINT or SIGTERM, so that the run
// saves, and the process at the second.
func withSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for n := 0; ; n++ {
			s, ok := <-signals
			if !ok {
				return
			}
			by := s.(syscall.Signal)
			if n > 0 {
				os.Exit(exitSignal + int(by))
			}
			fmt.Fprintf(os.Stderr, "\n%s: saving and stopping; once more to stop at once\n", by)
			cancel(&signalError{by})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}
