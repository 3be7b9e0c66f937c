//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// saveNow tells of each SIGUSR1, which asks for a checkpoint.
func saveNow() <-chan os.Signal {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	return asked
}
