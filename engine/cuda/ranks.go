package cuda

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"mobilellm/collective"
)

// Ranks sums what lies in the memory of the GPUs of a run's ranks; [collective.NCCL] does.
type Ranks interface {
	// AllReduce enqueues on a stream that n float32 at an address become the sums of all
	// ranks, in the same bits for all.
	AllReduce(address uintptr, n int, stream unsafe.Pointer) error
	// Err is what went wrong, once the stream has been waited for.
	Err() error
	// Abort ends, from any thread, what waits for ranks that do not answer.
	Abort() error
	Close() error
}

// JoinRanks joins the GPUs of a group. A step that waits for another rank longer than timeout
// fails; 0 is forever.
func (d *Device) JoinRanks(g collective.Group, timeout time.Duration) error {
	join := d.opt.Join
	if join == nil {
		join = func(g collective.Group) (Ranks, error) { return collective.OpenNCCL(g) }
	}
	d.timeout = timeout
	var err error
	d.Do(func() {
		var ranks Ranks
		if ranks, err = join(g); err == nil { // else it may be a nil of a type, which is not nil
			d.ranks = ranks
		}
	})
	return err
}

// watch ends a wait for other ranks that lasts too long.
type watch struct {
	timer *time.Timer
	late  atomic.Bool
}

// Reduce enqueues that all gradients, which lie end to end, become the sums of all ranks.
func (u *Update) Reduce() {
	d := u.d
	if d.timeout > 0 {
		w := &watch{}
		w.timer = time.AfterFunc(d.timeout, func() {
			w.late.Store(true)
			_ = d.ranks.Abort() // that the wait was ended is what Result says
		})
		u.watch = w
	}
	d.Do(func() { d.fail(d.ranks.AllReduce(uintptr(u.grad), u.total, d.driver.Stream())) })
}

// reduced is the error of the step's sums, after the stream has been waited for.
func (u *Update) reduced() error {
	w := u.watch
	u.watch = nil
	if w != nil && !w.timer.Stop() && w.late.Load() {
		return &collective.TransportError{Err: fmt.Errorf("other ranks' GPUs did not answer within %v", u.d.timeout)}
	}
	if u.d.ranks == nil {
		return nil
	}
	return u.d.ranks.Err()
}

// leaveRanks takes leave of the other GPUs.
func (d *Device) leaveRanks() error {
	if d.ranks == nil {
		return nil
	}
	err := d.ranks.Close()
	d.ranks = nil
	if err != nil {
		return errors.Join(errors.New("cuda: leaving the other ranks"), err)
	}
	return nil
}
