package clitest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"mobilellm/internal/bar/screen"
)

// terminal runs a command with a pseudo terminal as its standard error. After two redraws
// at the last of several widths it interrupts the command; with one width it waits for
// its end. The file screen holds what can be read then.
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 2, "terminal COLUMNS[,COLUMNS…] COMMAND…")
	var widths []int
	for text := range strings.SplitSeq(args[0], ",") {
		n, err := strconv.Atoi(text)
		ts.Check(err)
		widths = append(widths, n)
	}
	master, slave, err := openTerminal()
	ts.Check(err)
	defer master.Close()
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	var out strings.Builder
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Stderr, cmd.Stdout = ts.Getenv("WORK"), slave, &out
	w := &watched{master: master, screen: screen.Screen{Reflow: true}}
	ts.Check(w.resize(widths[0]))
	if err := cmd.Start(); err != nil {
		slave.Close()
		ts.Fatalf("%v", err)
	}
	ts.Check(slave.Close())
	read := make(chan bool)
	go func() {
		_, _ = io.Copy(w, master) // ends with EIO, when nobody holds the other end
		close(read)
	}()
	shown := 0
	for i, width := range widths {
		if len(widths) == 1 {
			break
		}
		if i > 0 {
			ts.Check(w.resize(width))
		}
		if w.redraws(2, read) {
			shown++
		}
	}
	if len(widths) > 1 {
		ts.Check(cmd.Process.Signal(syscall.SIGINT))
	}
	failed := cmd.Wait()
	<-read
	s := &w.screen
	var exit *exec.ExitError
	switch {
	case failed != nil && (len(widths) == 1 || !errors.As(failed, &exit)):
		ts.Fatalf("%v\n%s%s", failed, s.Text(), out.String())
	case len(widths) > 1 && shown < len(widths):
		ts.Fatalf("the command ended at width %d of %d\n%s", shown+1, len(widths), s.Text())
	case s.Redraws == 0:
		ts.Fatalf("nothing was drawn\n%s", s.Text())
	case len(s.Broken) > 0:
		ts.Fatalf("lines that the terminal broke: %q", s.Broken)
	}
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(s.Text()+"\n"), 0o644))
}

// watched is a screen that is written to while it is looked at.
type watched struct {
	master *os.File
	mutex  sync.Mutex
	screen screen.Screen
}

func (w *watched) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.screen.Write(p)
}

func (w *watched) resize(columns int) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.screen.Resize(columns)
	return unix.IoctlSetWinsize(int(w.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)})
}

// redraws waits for some beyond the first, which may be of the width before, and says
// whether they came.
func (w *watched) redraws(n int, ended <-chan bool) bool {
	look := func() (int, int) {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		return w.screen.Redraws, len(w.screen.Broken)
	}
	before, broken := look()
	first := true
	for range 1200 {
		now, _ := look()
		if first && now > before {
			first = false
			w.mutex.Lock()
			w.screen.Broken = w.screen.Broken[:broken]
			w.mutex.Unlock()
		}
		if now > before+n {
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

// openTerminal makes a pseudo terminal.
func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, slave, nil
}
