package experiments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// RunOptions are what a sweep's run needs beside the sweep.
type RunOptions struct {
	Dir  string // of the sweep
	Jobs int    // members at once
	// Command is the process that trains a member by [Sweep.Train]: one that crashes
	// takes no other with it. over is its MemberOptions.Over.
	Command  func(id string, over int) *exec.Cmd
	Progress *Progress
}

// Exit codes by which a member's process says how it ended, beside 0 and 1.
const (
	ExitClaimed = 75  // another process has the member (EX_TEMPFAIL)
	ExitSaved   = 143 // stopped by SIGTERM and saved: it can go on (128 + SIGTERM)
)

// FailedError lists the members that failed.
type FailedError struct {
	Members []Status
	Of      int
}

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d runs failed", len(e.Members), e.Of)
	for _, m := range e.Members {
		reason, _, _ := strings.Cut(m.Error, "\n")
		fmt.Fprintf(&b, "\n  %s %s: %s", m.ID, m.Label(), reason)
	}
	b.WriteString("\nhint: the same command tries them again")
	return b.String()
}

// runner is a sweep under way in this process.
type runner struct {
	*Sweep
	o       RunOptions
	watch   *watch
	done    map[string]bool  // finished, by this process or another
	failed  map[string]error // tried by this process
	running map[string]*child
	ended   chan *child
}

// child is a member's process.
type child struct {
	id    string
	cmd   *exec.Cmd
	alive *os.File // its standard input: it ends when this process does
	log   *os.File
	err   error
}

// Run trains all members of the sweep, those excepted that are finished, and waits
// for those that other processes have. A member that fails does not keep the others
// from going on; the error is a [FailedError]. Where ctx ends the members save and
// stop, and the error is ctx's.
func Run(ctx context.Context, s *Sweep, o RunOptions) error {
	r := &runner{
		Sweep: s, o: o, watch: newWatch(), done: map[string]bool{}, failed: map[string]error{},
		running: map[string]*child{}, ended: make(chan *child),
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, logsDir), 0o777); err != nil {
		return fmt.Errorf("sweep folder: %w", err)
	}
	err := r.loop(ctx)
	if stopErr := r.stop(); err == nil {
		err = stopErr
	}
	o.Progress.end()
	if err != nil {
		return err
	}
	return r.failures()
}

func (r *runner) loop(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for len(r.running) < r.o.Jobs && ctx.Err() == nil {
			m, over, err := r.next()
			if err != nil {
				return err
			}
			if m == nil {
				break
			}
			if err := r.start(m, over); err != nil {
				return err
			}
		}
		if err := r.show(); err != nil {
			return err
		}
		if len(r.running) == 0 && r.settled() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-r.ended:
			r.end(c)
		case <-tick.C:
		}
	}
}

// next is a member that can be started, nil for none, and the claim to take over.
func (r *runner) next() (*Member, int, error) {
	for i := range r.Members {
		m := &r.Members[i]
		if r.running[m.ID] != nil || r.settledMember(m.ID) {
			continue
		}
		wait := false
		for _, need := range m.earlier() {
			wait = wait || !r.settledMember(need.id)
			if why := r.failed[need.id]; why != nil && r.failed[m.ID] == nil {
				r.failed[m.ID] = fmt.Errorf("its %s %s failed", need.what, need.id)
				if err := recordFailure(r.o.Dir, m.ID, r.failed[m.ID]); err != nil {
					return nil, 0, err
				}
			}
		}
		if wait || r.failed[m.ID] != nil {
			continue
		}
		over, ok, err := r.watch.look(r.o.Dir, m.ID)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			return m, over, nil
		}
	}
	return nil, 0, nil
}

// settled says whether nothing is left to be done by anybody.
func (r *runner) settled() bool {
	for _, m := range r.Members {
		if !r.settledMember(m.ID) {
			return false
		}
	}
	return true
}

func (r *runner) settledMember(id string) bool {
	if !r.done[id] {
		r.done[id] = finished(r.o.Dir, id)
	}
	return r.done[id] || r.failed[id] != nil
}

func (r *runner) start(m *Member, over int) error {
	log, err := os.OpenFile(filepath.Join(r.o.Dir, logsDir, m.ID+".txt"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	c := &child{id: m.ID, cmd: r.o.Command(m.ID, over), alive: write, log: log}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = read, log, log
	c.cmd.SysProcAttr = apart() // Ctrl-C is for this process, which tells its children once
	err = c.cmd.Start()
	if err := errors.Join(err, read.Close()); err != nil {
		return errors.Join(fmt.Errorf("member %s: %w", m.Name, err), write.Close(), log.Close())
	}
	r.running[m.ID] = c
	go func() {
		c.err = c.cmd.Wait()
		r.ended <- c
	}()
	return nil
}

// end takes note of how a child ended.
func (r *runner) end(c *child) {
	delete(r.running, c.id)
	closeErr := errors.Join(c.alive.Close(), c.log.Close())
	code := c.cmd.ProcessState.ExitCode()
	if finished(r.o.Dir, c.id) || code == ExitClaimed {
		return
	}
	err := errors.Join(c.err, closeErr)
	if code == ExitSaved {
		err = errors.New("interrupted by SIGTERM; saved")
	}
	// The process has said why, unless it crashed.
	if why, readErr := failure(r.o.Dir, c.id); readErr == nil && why != nil {
		err = errors.New(why.Error)
	} else if code != ExitSaved {
		err = fmt.Errorf("its process ended with %w\nhint: see %s", err, c.log.Name())
		err = errors.Join(err, recordFailure(r.o.Dir, c.id, err))
	}
	r.failed[c.id] = err
	m := r.Member(c.id)
	r.o.Progress.note("run %s %s failed: %s", m.ID, m.Label(), firstLine(err))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// stop lets the children save, and waits for them.
func (r *runner) stop() error {
	var errs []error
	for _, c := range r.running {
		if err := terminate(c.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
	}
	for len(r.running) > 0 {
		c := <-r.ended
		delete(r.running, c.id)
		errs = append(errs, c.alive.Close(), c.log.Close())
	}
	return errors.Join(errs...)
}

func (r *runner) failures() error {
	if len(r.failed) == 0 {
		return nil
	}
	e := &FailedError{Of: len(r.Members)}
	for _, m := range r.Members {
		if err := r.failed[m.ID]; err != nil {
			e.Members = append(e.Members, Status{Member: m, State: Failed, Error: err.Error()})
		}
	}
	return e
}

func (r *runner) show() error {
	list, err := r.Status(r.o.Dir)
	if err == nil {
		r.o.Progress.show(list)
	}
	return err
}
