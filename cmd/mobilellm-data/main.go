// Command mobilellm-data turns text into training tokens. Run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, as --help lists them.
const (
	exitError  = 1
	exitUsage  = 2
	exitSignal = 128 // and the signal's number: 130 for Ctrl-C, 143 for SIGTERM
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := withSignals()
	defer stop()
	err := newCommand().ExecuteContext(ctx)
	var usage *usageError
	var by *signalError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, syscall.EPIPE):
		return exitError // the reader of our output went away, and knows
	case errors.As(context.Cause(ctx), &by):
		fmt.Fprintf(os.Stderr, "mobilellm-data: %v: %v\n", by, err)
		return exitSignal + int(by.signal)
	}
	fmt.Fprintln(os.Stderr, "mobilellm-data:", err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// signalError is why a context ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// withSignals ends the context at the first SIGINT or SIGTERM and the process
// at the second.
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
			cancel(&signalError{by})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}
