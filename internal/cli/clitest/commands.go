package clitest

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Command is a command of a script.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Commands are those of this package and more:
//
//	exits CODE COMMAND…    the command must end with that code
//	quick COMMAND…         the command must end with code 1 within a second
//	truncate FILE BYTES    cut so many bytes off a file's end
//	flip FILE OFFSET       change one byte; a negative offset counts from the end
//	replace FILE OLD NEW   replace bytes, which must be there
//	terminal COLUMNS[,COLUMNS…] COMMAND…
//	                       the command must draw on a terminal of so many columns, which
//	                       is resized, and no redraw may take more than a row a line
func Commands(more map[string]Command) map[string]Command {
	all := map[string]Command{"exits": exits, "quick": quick, "truncate": truncate, "flip": flip, "replace": replace, "terminal": terminal}
	maps.Copy(all, more)
	return all
}

func usage(ts *testscript.TestScript, bad bool, text string) {
	if bad {
		ts.Fatalf("usage: %s", text)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 2, "exits CODE COMMAND…")
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func quick(ts *testscript.TestScript, neg bool, args []string) {
	began := time.Now()
	exits(ts, neg, append([]string{"1"}, args...))
	if d := time.Since(began); d > time.Second {
		ts.Fatalf("took %v", d)
	}
}

func truncate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 2, "truncate FILE BYTES")
	path := ts.MkAbs(args[0])
	cut, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()-cut))
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 2, "flip FILE OFFSET")
	path := ts.MkAbs(args[0])
	file, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(file)
	}
	file[at] ^= 0x55
	ts.Check(os.WriteFile(path, file, 0o644))
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 3 || len(args[1]) == 0, "replace FILE OLD NEW")
	path := ts.MkAbs(args[0])
	raw, err := os.ReadFile(path)
	ts.Check(err)
	changed := bytes.ReplaceAll(raw, []byte(args[1]), []byte(args[2]))
	if bytes.Equal(changed, raw) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, changed, 0o644))
}
