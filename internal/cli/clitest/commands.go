package clitest

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Command is a command of a script.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Commands are those of this package and more:
//
//	exits CODE COMMAND…    the command must end with that code
//	quick COMMAND…         the command must end with code 1 within a second
//	signals SIGNAL CODE FILE COMMAND…
//	                       send the running command INT, TERM or HUP once the file exists;
//	                       it must end with that code, and what it wrote to standard
//	                       error becomes the file signalled
//	truncate FILE BYTES    cut so many bytes off a file's end
//	flip FILE OFFSET       change one byte; a negative offset counts from the end
//	replace FILE OLD NEW   replace bytes, which must be there
//	terminal COLUMNS[,COLUMNS…] COMMAND…
//	                       the command must draw on a terminal of so many columns, which
//	                       is resized, and no redraw may take more than a row a line
func Commands(more map[string]Command) map[string]Command {
	all := map[string]Command{"exits": exits, "quick": quick, "signals": signals, "truncate": truncate, "flip": flip, "replace": replace, "terminal": terminal}
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

func signals(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 4, "signals SIGNAL CODE FILE COMMAND…")
	name := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	path, err := exec.LookPath(args[3])
	ts.Check(err)
	cmd := exec.Command(path, args[4:]...)
	cmd.Dir = ts.Getenv("WORK")
	var text strings.Builder
	cmd.Stderr = &text
	ts.Check(cmd.Start())
	for range 600 {
		if _, err := os.Stat(ts.MkAbs(args[2])); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(name))
	_ = cmd.Wait() // the code says it
	if code := cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[1], text.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("signalled"), []byte(text.String()), 0o644))
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
