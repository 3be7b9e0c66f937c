package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// signalError is why a context ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// withSignals ends the context at the first SIGINT, SIGTERM or SIGHUP and the
// process at the second. The program outlives whoever reads its output: Ctrl-C ends
// the tee behind a pipe too, and what is said then must not end the program by
// SIGPIPE before it has saved. Writes that nobody reads fail with EPIPE instead.
func withSignals(stopping string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	unread := make(chan os.Signal, 1) // never received from: that it is wanted changes what a write does
	signal.Notify(unread, syscall.SIGPIPE)
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
