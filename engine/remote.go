package engine

import (
	"time"
	"unsafe"
)

// The interfaces below are for devices beside the processor. A device has those
// that apply to it, beside Device; a program asks for them when it is compiled.

// Remote is a device whose memory the host cannot touch. What enters and leaves
// it is copied, in the order of the kernels.
type Remote interface {
	// Upload copies src to device memory; src may be written again when it returns.
	Upload(dst unsafe.Pointer, src []byte) error
	// Download waits for the kernels before it and copies device memory to dst.
	Download(dst []byte, src unsafe.Pointer) error
}

// Asynchronous is a device whose kernels run after Kernel.Run has returned.
type Asynchronous interface {
	// Err is the first error of anything enqueued so far that is known.
	Err() error
	// Mark notes the time at which the kernels enqueued so far are done.
	Mark(i int)
	// Elapsed waits for mark j and returns the time since mark i.
	Elapsed(i, j int) time.Duration
}

// Recorder is a device that can keep what a program enqueues and enqueue all of
// it again at once.
type Recorder interface {
	// Record keeps what f enqueues, which does not run by that. It returns nil
	// where recording is off.
	Record(f func()) (Recording, error)
}

// Recording is a kept sequence of kernels.
type Recording interface {
	Replay() error
	Free() error
}
