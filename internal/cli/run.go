package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes that every program has.
const (
	ExitError  = 1
	ExitUsage  = 2
	exitSignal = 128 // and the signal's number
)

// Options are what differs between programs.
type Options struct {
	// Graceful makes the first SIGINT, SIGTERM or SIGHUP end the command's context
	// only, and the second the process. Otherwise the first ends the process.
	Graceful bool
	// Stopping is what the first signal prints, empty for nothing.
	Stopping string
	// Code is a program's own exit code for an error, 0 for the usual one.
	Code func(error) int
	// Configs, Keys and Tasks are the embedded configurations, their keys and the
	// benchmarks, for commands that take such: shells complete them, and hints name them.
	Configs, Keys, Tasks []string
}

// Main runs a program's command and ends the process with its exit code.
func Main(c *cobra.Command, o Options) { os.Exit(run(c, o)) }

func run(c *cobra.Command, o Options) int {
	prepare(c, o)
	ctx, stop := context.Background(), func() {}
	if o.Graceful {
		ctx, stop = withSignals(o.Stopping)
	}
	defer stop()
	out := &output{w: os.Stdout}
	c.SetOut(out)
	err := c.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("standard output: %w", out.err)
	}
	if err == nil {
		return 0
	}
	var by *signalError
	errors.As(context.Cause(ctx), &by)
	if errors.Is(err, syscall.EPIPE) && by == nil {
		return ExitError // the reader of our output went away, and knows
	}
	if by != nil && onlyCanceled(err) {
		err = by
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name(), err)
	return exitCode(err, by, o.Code)
}

// Abandon runs f and returns when it does, or with ctx's error when ctx ends: for work
// that leaves nothing to put right, such as reading standard input. f goes on until the
// process ends.
func Abandon(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// output remembers the first failure to write results, which a command that prints
// line by line need not look at.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// onlyCanceled says whether nothing else went wrong than that a context ended.
func onlyCanceled(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if !onlyCanceled(inner) {
				return false
			}
		}
		return true
	case interface{ Unwrap() error }:
		return onlyCanceled(e.Unwrap())
	}
	return err == context.Canceled
}

func exitCode(err error, by *signalError, own func(error) int) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	if own != nil {
		if code := own(err); code != 0 {
			return code
		}
	}
	if by != nil {
		return exitSignal + int(by.signal)
	}
	return ExitError
}

// prepare gives a program's command and those below it the manners of all.
func prepare(c *cobra.Command, o Options) {
	c.Version = Version()
	c.SetVersionTemplate(c.Name() + " {{.Version}}\n")
	c.SetFlagErrorFunc(flagError)
	c.Annotations = map[string]string{configsAnnotation: strings.Join(o.Configs, " "), keysAnnotation: strings.Join(o.Keys, " ")}
	fitHelp(c)
	quiet(c)
	complete(c, o)
}

// quiet leaves the printing of errors to run. A command that only holds others
// prints its help.
func quiet(c *cobra.Command) {
	c.SilenceUsage, c.SilenceErrors = true, true
	c.Flags().SortFlags = false
	if c.RunE == nil && c.Run == nil {
		c.Args = NoArguments("")
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	for _, below := range c.Commands() {
		quiet(below)
	}
}
