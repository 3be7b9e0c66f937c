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

// withSignals ends the context at the first SIGINT or SIGTERM and the process
// at the second.
func withSignals(stopping string) (context.Context, func()) {
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
			if stopping != "" {
				fmt.Fprintf(os.Stderr, "\n%s: %s\n", by, stopping)
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
