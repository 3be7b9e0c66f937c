package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestExitCode(t *testing.T) {
	other := errors.New("something else")
	own := func(err error) int {
		if errors.Is(err, other) {
			return 3
		}
		return 0
	}
	by := &signalError{syscall.SIGTERM}
	for _, tt := range []struct {
		name string
		err  error
		by   *signalError
		want int
	}{
		{"error", errors.New("no such file"), nil, ExitError},
		{"usage", Usagef("--out is missing"), nil, ExitUsage},
		{"usage inside", fmt.Errorf("config: %w", Usage(other)), by, ExitUsage},
		{"of the program's own", fmt.Errorf("step 3: %w", other), by, 3},
		{"signal", context.Canceled, by, 143},
		{"Ctrl-C", context.Canceled, &signalError{syscall.SIGINT}, 130},
	} {
		if got := exitCode(tt.err, tt.by, own); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := exitCode(other, nil, nil); got != ExitError {
		t.Errorf("without codes of its own: %d", got)
	}
}

func TestPrepare(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want bool // a usage error
	}{
		{"help of a group", []string{}, false},
		{"version", []string{"--version"}, false},
		{"unknown flag", []string{"--nothing"}, true},
		{"unknown flag below", []string{"below", "--nothing"}, true},
		{"argument", []string{"below", "surplus"}, true},
		{"unknown command", []string{"complete"}, true},
		{"completion", []string{"completion", "bash"}, false},
	} {
		c := &cobra.Command{Use: "program"}
		c.AddCommand(&cobra.Command{Use: "below", Args: NoArguments(""), RunE: func(*cobra.Command, []string) error { return nil }})
		prepare(c, Options{})
		var out bytes.Buffer
		c.SetOut(&out)
		c.SetErr(&out)
		c.SetArgs(tt.args)
		err := c.Execute()
		var usage *usageError
		if errors.As(err, &usage) != tt.want || (err != nil) != tt.want {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
}

func TestOnlyCanceled(t *testing.T) {
	other := errors.New("disk full")
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{context.Canceled, true},
		{fmt.Errorf("encoding: %w", context.Canceled), true},
		{errors.Join(context.Canceled, fmt.Errorf("step: %w", context.Canceled)), true},
		{errors.Join(context.Canceled, other), false},
		{fmt.Errorf("saving: %w: %w", other, context.Canceled), false},
		{other, false},
	} {
		if got := onlyCanceled(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}

// A result that cannot be written is an error, whatever the command looked at.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here: ", err)
	}
	defer full.Close()
	stdout := os.Stdout
	os.Stdout = full
	defer func() { os.Stdout = stdout }()
	c := &cobra.Command{Use: "program", RunE: func(c *cobra.Command, _ []string) error {
		fmt.Fprintln(c.OutOrStdout(), "a result")
		return nil
	}}
	c.SetArgs(nil)
	if code := run(c, Options{}); code != ExitError {
		t.Errorf("exit code %d, want %d", code, ExitError)
	}
}

// Work that waits for ever is left behind when the context ends.
func TestAbandon(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	never := make(chan bool)
	defer close(never)
	time.AfterFunc(time.Millisecond, cancel)
	if err := Abandon(ctx, func() error { <-never; return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("abandoned: %v", err)
	}
	want := errors.New("what f says")
	if err := Abandon(context.Background(), func() error { return want }); err != want {
		t.Errorf("%v, want %v", err, want)
	}
}

func TestReflow(t *testing.T) {
	text := "A paragraph of some words,\nthat goes on.\n\nCodes:\n   1  one that is longer than the width\n\nEnd"
	want := "A paragraph of some\nwords, that goes on.\n\nCodes:\n   1  one that is longer than the width\n\nEnd"
	if got := reflow(text, 20); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
