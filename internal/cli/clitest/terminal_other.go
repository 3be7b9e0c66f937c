//go:build !linux

package clitest

import "github.com/rogpeppe/go-internal/testscript"

// terminal is for scripts that begin with [!linux] skip.
func terminal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("pseudo terminals are made on Linux only")
}
