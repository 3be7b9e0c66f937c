package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"mobilellm/checkpoint"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
)

const (
	// waitShare of a run's time, besides waitAlways, is what its steps may wait for the save
	// before when the next falls due, and waitAlways what one of them may. Where that is used
	// up the next is put off until the one before is done.
	waitShare = 0.02
	// firstPause is the time between the first two tries of a save, longestPause at most
	// between any two; each is twice as long as the one before.
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// waitAlways is what steps may always wait; tests wait less.
var waitAlways = 10 * time.Second

// saver writes checkpoints beside the run, one at a time, from a copy of the weights and
// moments.
type saver struct {
	memory engine.Memory // of the copy; nil where there is none and the run waits for each save
	bytes  int64
	flight *flight       // nil while there is none; of the run's goroutine
	begun  time.Time     // of the run
	waited time.Duration // by steps, for a save before
	took   time.Duration // by the last save, copying and writing
	late   bool          // a save is due that had to be put off
}

// flight is a save under way.
type flight struct {
	step  int64
	begun time.Time
	retry time.Duration // how long what fails is tried again
	hurry chan struct{} // closed where it is not to be tried again
	done  chan struct{}
	notes chan string

	// Of the writing goroutine until done is closed.
	path  string
	tries int

	mu       sync.Mutex
	failing  bool // it failed and is tried again
	wantBest bool // it is to be marked as the best when it is written
	closed   bool // nothing more is looked at
	err      error
}

// SaveError is a checkpoint that could not be written, for so long that the run ended.
type SaveError struct {
	Err   error         // of the last try
	Tries int           // how many there were
	For   time.Duration // from first to last
	Last  string        // the last checkpoint that is whole, empty for none
}

func (e *SaveError) Error() string {
	text := e.Err.Error()
	if e.Tries > 1 {
		text += fmt.Sprintf("\nhint: it was tried %d times in %v; checkpoint.retry_minutes sets for how long", e.Tries, e.For.Round(time.Second))
	}
	if e.Last != "" {
		text += fmt.Sprintf("\nhint: %s is whole: once there is room, go on from it with --resume", e.Last)
	}
	return text
}

func (e *SaveError) Unwrap() error { return e.Err }

// newSaver takes the memory of the copy, if there is to be one.
func newSaver(bytes int64) (*saver, error) {
	s := &saver{bytes: bytes, begun: time.Now()}
	if bytes == 0 {
		return s, nil
	}
	var err error
	if s.memory, err = cpu.Alloc(bytes); err != nil {
		return nil, fmt.Errorf("checkpoint: memory for the copy: %w", err)
	}
	return s, nil
}

// copyBytes is the memory that a copy of a run's weights and moments takes; optimizer is
// the size of the moments.
func copyBytes(c *RunConfig, optimizer int64) int64 {
	trains, err := c.parameters()
	if err != nil {
		return 0 // Validate has said so
	}
	kept := trains.kept()
	return 4*values(kept) + optimizer + 3*arenaAlign*int64(len(kept))
}

// hostCopyBytes is the size of the copy that a run takes: none where its plan has none, or,
// of an accelerator's memory, the host has no room for it.
func (r *run) hostCopyBytes() int64 {
	if _, ok := r.dev.(device.Accelerator); !ok {
		return r.memory.Saving
	}
	bytes := copyBytes(&r.c, r.memory.Optimizer)
	if available := availableMemory(); available > 0 && bytes > int64(memoryShare*float64(available)) {
		r.o.Progress.Note("checkpoints are written while the run waits: %s for a copy of weights and moments are more than %.0f %% of the %s available", gigabytes(bytes), 100*memoryShare, gigabytes(available))
		return 0
	}
	return bytes
}

// arena is the memory of the copy, nil where there is none.
func (s *saver) arena() []byte {
	if s.memory == nil {
		return nil
	}
	return unsafe.Slice((*byte)(s.memory.Pointer()), s.bytes)
}

// begin writes what save saves, prunes what prune does, and marks it as the best where that
// is asked for before it is done, in a goroutine of its own. Failures of the system are
// tried again for that long.
func (s *saver) begin(step int64, retry time.Duration, save func() (string, error), prune func() error, best func(path string) error) {
	f := &flight{step: step, begun: time.Now(), retry: retry, hurry: make(chan struct{}), done: make(chan struct{}), notes: make(chan string, 4)}
	s.flight = f
	go func() {
		defer close(f.done)
		f.err = f.persist(save, prune, best)
	}()
}

func (f *flight) persist(save func() (string, error), prune func() error, best func(path string) error) error {
	err := f.try(func() (err error) {
		f.path, err = save()
		return err
	})
	if err == nil {
		f.note(fmt.Sprintf("step %d: saved %s", f.step, f.path))
		err = f.try(prune)
	}
	for err == nil && f.best() {
		err = f.try(func() error { return best(f.path) })
	}
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	return err
}

// best says whether the checkpoint is to be marked; where not, it is too late to ask.
func (f *flight) best() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	want := f.wantBest
	f.wantBest, f.closed = false, !want
	return want
}

// askBest asks for the mark, unless the save is past that.
func (f *flight) askBest() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wantBest = !f.closed
	return f.wantBest
}

// try calls work until it succeeds, fails by no fault of the system, or the time is over.
func (f *flight) try(work func() error) error {
	f.tries = 0
	pause := firstPause
	for first := time.Now(); ; pause = min(2*pause, longestPause) {
		f.tries++
		err := work()
		if err == nil {
			f.setFailing(false)
			return nil
		}
		var system syscall.Errno
		left := f.retry - time.Since(first)
		if !errors.As(err, &system) {
			return err
		}
		if left <= 0 || f.hurried() {
			return &SaveError{Err: err, Tries: f.tries, For: time.Since(first)}
		}
		if f.tries == 1 {
			f.note(fmt.Sprintf("%v\nit is tried again for %v", err, f.retry.Round(time.Second)))
		}
		f.setFailing(true)
		select {
		case <-time.After(min(pause, left)):
		case <-f.hurry:
			return &SaveError{Err: err, Tries: f.tries, For: time.Since(first)}
		}
	}
}

func (f *flight) note(text string) {
	select {
	case f.notes <- text:
	default: // three were not looked at
	}
}

func (f *flight) setFailing(failing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = failing
}

func (f *flight) isFailing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failing
}

func (f *flight) hurried() bool {
	select {
	case <-f.hurry:
		return true
	default:
		return false
	}
}

// giveUp ends the trying again.
func (f *flight) giveUp() {
	if !f.hurried() {
		close(f.hurry)
	}
}

// patience is how long a step may still wait for the save before.
func (s *saver) patience() time.Duration {
	allowed := waitAlways + time.Duration(waitShare*float64(time.Since(s.begun)))
	return min(allowed-s.waited, waitAlways)
}

// saveAsDue is told after each step: it begins the save that is due.
func (r *run) saveAsDue(ctx context.Context) error {
	var due bool
	var err error
	if r.ranks.first() {
		due, err = r.readyToSave(ctx)
	}
	if r.owner != nil && r.last() {
		err = r.unhurried(func() error {
			due, err = r.agreed(due, err)
			return err
		})
	} else {
		due, err = r.agreed(due, err)
	}
	if err != nil || !due {
		return err
	}
	return r.save(ctx)
}

// readyToSave says whether a save is due, once the one before is done.
func (r *run) readyToSave(ctx context.Context) (bool, error) {
	if err := r.landed(); err != nil {
		return false, err
	}
	due := r.asked() || r.saveDue() || r.saver.late
	if !due || r.state.begun == r.state.step {
		return false, nil
	}
	if r.last() {
		return true, r.settle(ctx)
	}
	return r.awaitSave(ctx)
}

// awaitSave waits for the save in flight as long as a step may, and says whether there is
// none any more.
func (r *run) awaitSave(ctx context.Context) (bool, error) {
	s := r.saver
	if s.flight == nil {
		return true, nil
	}
	begun := time.Now()
	if most := s.patience(); most > 0 && !s.late && !s.flight.isFailing() {
		select {
		case <-s.flight.done:
		case <-time.After(most):
		case <-ctx.Done():
		}
		s.waited += time.Since(begun)
	}
	f := s.flight
	if err := r.landed(); err != nil || s.flight == nil {
		return err == nil, err
	}
	if !s.late {
		r.o.Progress.Note("step %d: the checkpoint of step %d is still being written; the next is saved once it is", r.state.step, f.step)
	}
	s.late = true
	return false, nil
}

// landed looks whether the save in flight is done, and tells of it.
func (r *run) landed() error {
	f := r.saver.flight
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
	default:
		r.tell(f)
		return nil
	}
	r.tell(f)
	r.saver.flight = nil
	if f.path != "" {
		r.state.saved, r.state.savedPath = f.step, f.path
		r.saver.took = time.Since(f.begun)
	}
	var failed *SaveError
	if errors.As(f.err, &failed) {
		failed.Last = r.state.savedPath
	}
	return f.err
}

func (r *run) tell(f *flight) {
	for {
		select {
		case text := <-f.notes:
			r.o.Progress.Note("%s", text)
		default:
			return
		}
	}
}

// settle waits for the save in flight; where ctx ends it is not tried again.
func (r *run) settle(ctx context.Context) error {
	f := r.saver.flight
	if f == nil {
		return nil
	}
	ended := ctx.Done()
	for {
		select {
		case <-f.done:
			return r.landed()
		case text := <-f.notes:
			r.o.Progress.Note("%s", text)
		case <-ended:
			f.giveUp()
			ended = nil
		}
	}
}

// abandon ends the trying again of the save in flight and waits for it.
func (r *run) abandon() error {
	if r.saver == nil || r.saver.flight == nil {
		return nil
	}
	r.saver.flight.giveUp()
	return r.settle(context.Background())
}

func (s *saver) close() error {
	if s == nil || s.memory == nil {
		return nil
	}
	return s.memory.Free()
}

// markBest marks the last checkpoint as the best, once it is written.
func (r *run) markBest() error {
	if f := r.saver.flight; f != nil {
		if f.askBest() {
			return nil
		}
		<-f.done // it is as good as done
		if err := r.landed(); err != nil {
			return err
		}
	}
	return checkpoint.MarkBest(r.checkpoints(), filepath.Base(r.state.savedPath))
}
