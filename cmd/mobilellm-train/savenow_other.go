//go:build !unix

package main

import "os"

// saveNow is for systems with SIGUSR1.
func saveNow() <-chan os.Signal { return nil }
