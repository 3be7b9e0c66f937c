package cuda

import "runtime"

// thread runs functions on one OS thread, which owns the GPU's context.
type thread struct {
	work   chan func()
	done   chan struct{}
	inside bool // a function is running; only that function and thread itself touch it
}

func newThread() *thread {
	t := &thread{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
		for f := range t.work {
			t.inside = true
			f()
			t.inside = false
			t.done <- struct{}{}
		}
		close(t.done)
	}()
	return t
}

// Do runs f on the thread and returns when it has. Within f it runs another
// function as it is. It is not safe for concurrent use.
func (t *thread) Do(f func()) {
	if t.inside {
		f()
		return
	}
	t.work <- f
	<-t.done
}

// stop ends the thread.
func (t *thread) stop() {
	close(t.work)
	<-t.done
}
