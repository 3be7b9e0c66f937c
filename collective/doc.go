// Package collective joins the processes of one run: every rank calls the same operations in
// the same order, and gets what all of them have together.
//
//	g, err := collective.Open()   // as the launcher started the process, or alone
//	defer g.Close()
//	err = g.AllReduce(collective.Vector{gradients}, collective.Float32)
//
// Processes are started by what clusters have (mpirun, srun, Kubernetes' MPI operator) and
// speak by an MPI library that is found when the program starts, Open MPI's or MPICH's; no
// header and no library is needed to build. Of MPI only messages are asked, which do not
// block: a rank that waits looks for them now and then and sleeps in between, so that
// communication leaves the processor to what computes beside it, and a rank that does not
// answer is noticed and named.
//
// The sums are made here, element by element in the order of the ranks. So they have the same
// bits every time, whatever the parts in which they are summed, and a reduction that is
// followed by a gathering is bit for bit the reduction of all. Every rank sends each other one
// its part: as many bytes as a ring moves, (N−1)/N of the vector each way, in one step of N−1
// messages.
//
//	Group      what ranks do together        group.go    sums and parts, above a transport
//	transport  messages between ranks        mpi.go      MPI, by dlopen
//	                                         memory.go   goroutines of a process, for tests
//
// An error of one rank is returned there; the others notice when the timeout is over. After an
// error a group is of no more use.
package collective

import (
	"fmt"
	"time"
)

// Group is the processes of a run as one of them sees it. Its methods are called by one
// goroutine at a time, and by all ranks alike.
type Group interface {
	// Rank is this process's number, from 0; Size how many there are; Local this process's
	// number among those of its machine.
	Rank() int
	Size() int
	Local() int
	// SetTimeout says how long others may take to answer: 0 is forever.
	SetTimeout(d time.Duration)
	// ReduceScatter leaves in rank i's x[ends[i-1]:ends[i]] the sums of all ranks; what the
	// rest of x then holds is not said. ends has Size elements, the last x's length, the same on
	// all ranks, and so are the lengths of x's slices.
	ReduceScatter(x Vector, ends []int, t Type) error
	// AllGather gives every rank x[ends[i-1]:ends[i]] as rank i has it.
	AllGather(x Vector, ends []int, t Type) error
	// AllReduce makes x the sum of all ranks' x.
	AllReduce(x Vector, t Type) error
	// Gather brings each rank's own to rank root, into all[rank], whose lengths are those of
	// that rank's own; elsewhere all is nil.
	Gather(own [][]byte, all [][][]byte, root int) error
	// Broadcast makes x what rank root has; lengths are the same.
	Broadcast(x []byte, root int) error
	// Exchange returns what every rank gave, by rank; lengths may differ.
	Exchange(own []byte) ([][]byte, error)
	// Barrier returns when all ranks have called it.
	Barrier() error
	// Close takes leave of the others, unless there was an error.
	Close() error
}

// Vector is numbers in slices, taken end to end.
type Vector [][]float32

// Len is the number of elements.
func (x Vector) Len() (n int) {
	for _, s := range x {
		n += len(s)
	}
	return n
}

// part is x[from:to], in slices none of which is empty.
func (x Vector) part(from, to int) (list Vector) {
	for _, s := range x {
		if max(0, from) < min(to, len(s)) {
			list = append(list, s[max(0, from):min(to, len(s))])
		}
		from, to = from-len(s), to-len(s)
	}
	return list
}

// Type is how numbers travel.
type Type int

// The types. With BF16 each rank's numbers are rounded before they leave, summed in float32,
// and the sums rounded when they are gathered: half the bytes.
const (
	Float32 Type = iota
	BF16
)

// Size is that of a number on its way, in bytes.
func (t Type) Size() int {
	if t == BF16 {
		return 2
	}
	return 4
}

// TimeoutError is of ranks that did not answer in time: they ended, hang, or cannot be reached.
type TimeoutError struct {
	Ranks []int // those whose message is missing
	After time.Duration
}

func (e *TimeoutError) Error() string {
	text := "rank"
	if len(e.Ranks) > 1 {
		text = "ranks"
	}
	for i, rank := range e.Ranks {
		if i > 0 {
			text += ","
		}
		if i == 8 {
			text += fmt.Sprintf(" … %d of them", len(e.Ranks))
			break
		}
		text += fmt.Sprintf(" %d", rank)
	}
	return fmt.Sprintf("%s did not answer within %v", text, e.After)
}

// TransportError is what the library that carries messages says, mostly of a rank that ended.
type TransportError struct{ Err error }

func (e *TransportError) Error() string { return e.Err.Error() }
func (e *TransportError) Unwrap() error { return e.Err }

// Open returns the group that the process was started in: of one rank where no launcher says
// otherwise. Without a library, or with one that was not built for the launcher, it is an
// error that says what is missing.
func Open() (Group, error) {
	l, ok := launched()
	if !ok || l.size == 1 {
		return Single(), nil
	}
	t, rank, err := openMPI(l)
	if err != nil {
		return nil, fmt.Errorf("%s started %d ranks: %w", l.by, l.size, err)
	}
	return newGroup(t, rank, l.size, l.local), nil
}

// Single is the group of a process alone. Its sums are what it gives, rounded where they
// would be.
func Single() Group { return newGroup(nil, 0, 1, 0) }

// Even divides n elements among the ranks of a group: where each one's end.
func Even(n, size int) []int {
	ends := make([]int, size)
	for i := range ends {
		ends[i] = int(int64(n) * int64(i+1) / int64(size))
	}
	return ends
}

// checkEnds is an error where ends do not divide n elements among size ranks.
func checkEnds(ends []int, n, size int) error {
	if len(ends) != size {
		return fmt.Errorf("%d ends of %d ranks' parts", len(ends), size)
	}
	last := 0
	for i, end := range ends {
		if end < last || end > n {
			return fmt.Errorf("the part of rank %d ends at %d, after %d, of %d elements", i, end, last, n)
		}
		last = end
	}
	if last != n {
		return fmt.Errorf("the parts end at %d of %d elements", last, n)
	}
	return nil
}

// bounds is where rank i's part lies.
func bounds(ends []int, i int) (from, to int) {
	if i > 0 {
		from = ends[i-1]
	}
	return from, ends[i]
}
