// Package collective joins the processes of one run: every rank calls the same operations in
// the same order, and gets what all of them have together.
//
//	g, err := collective.Open()   // as the launcher started the process, or alone
//	defer g.Close()
//	err = g.AllReduce(gradients, collective.Float32)
//
// Processes are started by what clusters have (mpirun, srun, Kubernetes' MPI operator) and
// speak by an MPI library that is found when the program starts, Open MPI's or MPICH's; no
// header and no library is needed to build. Of MPI only bytes are asked: it carries them, and
// the sums are made here, element by element in the order of the ranks. So they have the same
// bits every time, whatever the parts in which they are summed, and a reduction that is
// followed by a gathering is bit for bit the reduction of all.
//
// An error of one rank is returned there; the others may wait in the same operation until the
// launcher ends them. After an error a group is of no more use.
package collective

import (
	"fmt"

	"mobilellm/internal/bfloat16"
)

// Group is the processes of a run as one of them sees it. Its methods are called by one
// goroutine at a time, and by all ranks alike.
type Group interface {
	// Rank is this process's number, from 0; Size how many there are; Local this process's
	// number among those of its machine.
	Rank() int
	Size() int
	Local() int
	// ReduceScatter leaves in rank i's x[ends[i-1]:ends[i]] the sums of all ranks; what the
	// rest of x then holds is not said. ends has Size elements, the last len(x), the same on
	// all ranks, and so is len(x).
	ReduceScatter(x []float32, ends []int, t Type) error
	// AllGather gives every rank x[ends[i-1]:ends[i]] as rank i has it.
	AllGather(x []float32, ends []int, t Type) error
	// AllReduce makes x the sum of all ranks' x.
	AllReduce(x []float32, t Type) error
	// Broadcast makes x what rank root has; lengths are the same.
	Broadcast(x []byte, root int) error
	// Exchange returns what every rank gave, by rank; lengths may differ.
	Exchange(own []byte) ([][]byte, error)
	// Barrier returns when all ranks have called it.
	Barrier() error
	// Close takes leave of the others.
	Close() error
}

// Type is how numbers travel.
type Type int

// The types. With BF16 each rank's numbers are rounded before they leave, summed in float32,
// and the sums rounded: half the bytes.
const (
	Float32 Type = iota
	BF16
)

func (t Type) size() int {
	if t == BF16 {
		return 2
	}
	return 4
}

// Open returns the group that the process was started in: of one rank where no launcher says
// otherwise. Without a library, or with one that was not built for the launcher, it is an
// error that says what is missing.
func Open() (Group, error) {
	l, ok := launched()
	if !ok || l.size == 1 {
		return Single(), nil
	}
	g, err := openMPI(l)
	if err != nil {
		return nil, fmt.Errorf("%s started %d ranks: %w", l.by, l.size, err)
	}
	return g, nil
}

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

// part is where rank i's part lies.
func part(ends []int, i int) (from, to int) {
	if i > 0 {
		from = ends[i-1]
	}
	return from, ends[i]
}

// single is a group of one.
type single struct{}

// Single is the group of a process alone. Its sums are what it gives; they are rounded where
// they would be.
func Single() Group { return single{} }

func (single) Rank() int      { return 0 }
func (single) Size() int      { return 1 }
func (single) Local() int     { return 0 }
func (single) Barrier() error { return nil }
func (single) Close() error   { return nil }

func (single) ReduceScatter(x []float32, ends []int, t Type) error {
	round(x, t)
	return checkEnds(ends, len(x), 1)
}

func (single) AllGather(x []float32, ends []int, t Type) error {
	round(x, t)
	return checkEnds(ends, len(x), 1)
}

func (single) AllReduce(x []float32, t Type) error {
	round(x, t)
	return nil
}

func (single) Broadcast(_ []byte, root int) error { return checkRoot(root, 1) }

func (single) Exchange(own []byte) ([][]byte, error) { return [][]byte{own}, nil }

func checkRoot(root, size int) error {
	if root < 0 || root >= size {
		return fmt.Errorf("broadcast of rank %d: ranks are 0 to %d", root, size-1)
	}
	return nil
}

func round(x []float32, t Type) {
	if t == BF16 {
		for i, v := range x {
			x[i] = bfloat16.Float32(bfloat16.Round(v))
		}
	}
}
