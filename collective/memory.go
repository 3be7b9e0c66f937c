package collective

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Network is how fast messages travel between the ranks of [InProcess].
type Network struct {
	BytesPerSecond float64       // that a rank sends; 0 is without limit
	Latency        time.Duration // of a message
}

// InProcess returns the groups of so many ranks that are goroutines of this process: for
// tests, and for seeing what a network would do.
func InProcess(n int, net Network) []Group {
	w := &wires{net: net, queues: make([]chan []byte, n*n)}
	for i := range w.queues {
		w.queues[i] = make(chan []byte, 1<<16)
	}
	groups := make([]Group, n)
	for rank := range groups {
		groups[rank] = newGroup(&inProcess{w, rank, n}, rank, n, rank)
	}
	return groups
}

// wires are the messages on their way, a queue from each rank to each.
type wires struct {
	net    Network
	queues []chan []byte
}

type inProcess struct {
	*wires
	rank, size int
}

func (p *inProcess) close() error { return nil }

func (p *inProcess) exchange(send, receive []message, timeout time.Duration) error {
	var forever <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		forever = timer.C
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, m := range send {
			if p.net.BytesPerSecond > 0 {
				time.Sleep(time.Duration(float64(len(m.data)) / p.net.BytesPerSecond * 1e9))
			}
			p.queues[p.rank*p.size+m.peer] <- slices.Clone(m.data)
		}
	})
	for _, m := range receive {
		select {
		case data := <-p.queues[m.peer*p.size+p.rank]:
			if len(data) != len(m.data) {
				return &TransportError{fmt.Errorf("%d bytes of rank %d in place of %d", len(data), m.peer, len(m.data))}
			}
			copy(m.data, data)
		case <-forever:
			return &TimeoutError{Ranks: []int{m.peer}, After: timeout}
		}
	}
	sending.Wait()
	if len(receive) > 0 {
		time.Sleep(p.net.Latency)
	}
	return nil
}
