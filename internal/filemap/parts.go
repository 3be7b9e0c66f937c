package filemap

import (
	"cmp"
	"runtime"
	"sync"
	"sync/atomic"
)

// Parts calls read for the parts [from,to) of n, each of at most size, on as many
// goroutines as there are processors, guarded by [File.Guard].
func (f *File) Parts(n, size int, read func(from, to int)) error {
	var next atomic.Int64
	work := func() error {
		return f.Guard(func() {
			for {
				from := int(next.Add(1)-1) * size
				if from >= n {
					return
				}
				clearUpper()
				read(from, min(from+size, n))
			}
		})
	}
	more := min(runtime.GOMAXPROCS(0), (n+size-1)/size) - 1
	if more < 1 {
		return work()
	}
	errs := make([]error, more+1)
	var group sync.WaitGroup
	for i := range more {
		group.Go(func() { errs[i] = work() })
	}
	errs[more] = work()
	group.Wait()
	return cmp.Or(errs...)
}
