package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageError is a mistake on the command line or in a configuration.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// Usage marks an error as a mistake of the caller's: exit code 2.
func Usage(err error) error { return &usageError{err} }

// Usagef makes such an error.
func Usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// NoArguments refuses arguments. The hint, where there is one, says what to do
// instead with one that belongs nowhere.
func NoArguments(hint string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unexpected(c, args[0], hint)
	}
}

// SomeArguments asks for at least one argument.
func SomeArguments(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef("%s is missing\nhint: see %s --help", what, c.CommandPath())
		}
		return nil
	}
}
