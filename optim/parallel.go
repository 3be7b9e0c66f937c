package optim

// Parallel is what an update needs of a worker pool.
type Parallel interface {
	// For calls f(worker, i) once for each i in [0, n) and returns when all
	// calls have. Calls may run at once and in any order; worker tells which
	// of the pool's workers makes the call.
	For(n int, f func(worker, i int))
	// Workers is their number, which worker is below.
	Workers() int
}

// Serial returns the Parallel that runs everything in order on the caller's
// goroutine.
func Serial() Parallel { return serial{} }

type serial struct{}

func (serial) Workers() int { return 1 }

func (serial) For(n int, f func(worker, i int)) {
	for i := range n {
		f(0, i)
	}
}
