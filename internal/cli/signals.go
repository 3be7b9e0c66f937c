package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signalError is why a context ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// interrupts is what a command does at Ctrl-C in place of ending; also the key of it in
// a context.
type interrupts struct{ f atomic.Pointer[func()] }

func (i *interrupts) call() bool {
	f := i.f.Load()
	if f != nil {
		(*f)()
	}
	return f != nil
}

// OnInterrupt makes Ctrl-C call f, in another goroutine, and not end the command, which
// runs with Graceful, until restore is called.
func OnInterrupt(ctx context.Context, f func()) (restore func()) {
	i, ok := ctx.Value(interrupts{}).(*interrupts)
	if !ok {
		return func() {}
	}
	i.f.Store(&f)
	return func() { i.f.Store(nil) }
}

// withSignals ends the context at the first SIGINT, SIGTERM or SIGHUP and the
// process at the second. The program outlives whoever reads its output: Ctrl-C ends
// the tee behind a pipe too, and what is said then must not end the program by
// SIGPIPE before it has saved. Writes that nobody reads fail with EPIPE instead.
func withSignals(stopping string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	taken := &interrupts{}
	ctx = context.WithValue(ctx, interrupts{}, taken)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	unread := make(chan os.Signal, 1) // never received from: that it is wanted changes what a write does
	signal.Notify(unread, syscall.SIGPIPE)
	go func() {
		stopped := false
		for s := range signals {
			by := s.(syscall.Signal)
			if by == syscall.SIGINT && !stopped && taken.call() {
				continue
			}
			if stopped {
				os.Exit(exitSignal + int(by))
			}
			stopped = true
			if stopping != "" {
				fmt.Fprintf(os.Stderr, "\n%s: %s\n", by, stopping)
			}
			cancel(&signalError{by})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(unread)
		close(signals)
		cancel(nil)
	}
}
