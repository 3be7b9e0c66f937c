package collective

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"
)

// transport carries messages between ranks.
type transport interface {
	// exchange sends and receives messages, all at once, and returns when all are done. Those
	// from one rank to another arrive in their order, and both agree on their lengths. After
	// timeout, unless it is 0, it gives up.
	exchange(send, receive []message, timeout time.Duration) error
	close() error
}

// message goes to, or comes from, rank peer.
type message struct {
	peer int
	data []byte
}

// Messages are no longer than this: MPI counts in ints. Gradients travel in short ones, which
// leave without asking whether the receiver is ready: longer ones used half of a 100 Mbit/s link
// (Open MPI over TCP, two ranks), and shared memory knows no difference. What a receiver may
// not be ready for for long, such as moments that are saved, would pile up in its memory and
// asks first.
const (
	shortMessage = 60 << 10
	longMessage  = 16 << 20
)

// group is the operations of [Group] above a transport, which a group of one lacks.
type group struct {
	transport
	rank, size, local int
	timeout           time.Duration
	failed            bool

	send, receive []message
	most          int    // length of the messages of a list
	in, out       []byte // what others sent, and rounded numbers
	sums          []float32
}

func newGroup(t transport, rank, size, local int) *group {
	return &group{transport: t, rank: rank, size: size, local: local}
}

func (g *group) Rank() int  { return g.rank }
func (g *group) Size() int  { return g.size }
func (g *group) Local() int { return g.local }

func (g *group) SetTimeout(d time.Duration) { g.timeout = d }

func (g *group) Close() error {
	if g.transport == nil || g.failed { // who waits for ranks that are gone waits forever
		return nil
	}
	return g.close()
}

// begin starts a list of messages that are at most so long.
func (g *group) begin(most int) { g.send, g.receive, g.most = g.send[:0], g.receive[:0], most }

// to adds a message for another rank, and from one that another rank sends.
func (g *group) to(peer int, data []byte)   { g.send = g.append(g.send, peer, data) }
func (g *group) from(peer int, data []byte) { g.receive = g.append(g.receive, peer, data) }

func (g *group) append(list []message, peer int, data []byte) []message {
	for len(data) > g.most {
		list, data = append(list, message{peer, data[:g.most]}), data[g.most:]
	}
	return append(list, message{peer, data})
}

// run carries the messages.
func (g *group) run() error {
	if g.transport == nil {
		return nil
	}
	err := g.exchange(g.send, g.receive, g.timeout)
	g.failed = g.failed || err != nil
	return err
}

// others calls f with every other rank, those after this one first, so that not all begin
// with the same.
func (g *group) others(f func(peer int)) {
	for i := 1; i < g.size; i++ {
		f((g.rank + i) % g.size)
	}
}

func (g *group) Barrier() error {
	_, err := g.Exchange(nil)
	return err
}

func (g *group) Exchange(own []byte) ([][]byte, error) {
	lengths, all := make([][8]byte, g.size), make([][]byte, g.size)
	binary.LittleEndian.PutUint64(lengths[g.rank][:], uint64(len(own)))
	g.begin(longMessage)
	g.others(func(peer int) {
		g.to(peer, lengths[g.rank][:])
		g.from(peer, lengths[peer][:])
	})
	if err := g.run(); err != nil {
		return nil, err
	}
	g.begin(longMessage)
	all[g.rank] = own
	g.others(func(peer int) {
		if n := binary.LittleEndian.Uint64(lengths[peer][:]); n > 0 {
			all[peer] = make([]byte, n)
			g.from(peer, all[peer])
		}
		if len(own) > 0 {
			g.to(peer, own)
		}
	})
	return all, g.run()
}

func (g *group) checkRoot(what string, root int) error {
	if root < 0 || root >= g.size {
		return fmt.Errorf("%s of rank %d: ranks are 0 to %d", what, root, g.size-1)
	}
	return nil
}

func (g *group) Broadcast(x []byte, root int) error {
	if err := g.checkRoot("broadcast", root); err != nil {
		return err
	}
	g.begin(longMessage)
	if g.rank == root {
		g.others(func(peer int) { g.to(peer, x) })
	} else {
		g.from(root, x)
	}
	return g.run()
}

func (g *group) Gather(own [][]byte, all [][][]byte, root int) error {
	if err := g.checkRoot("gathering", root); err != nil {
		return err
	}
	g.begin(longMessage)
	switch {
	case g.rank != root:
		for _, x := range own {
			g.to(root, x)
		}
	case len(all) != g.size || len(all[root]) != len(own):
		return fmt.Errorf("gathering: room for %d ranks of %d", len(all), g.size)
	default:
		for i, x := range own {
			copy(all[root][i], x)
		}
		g.others(func(peer int) {
			for _, x := range all[peer] {
				g.from(peer, x)
			}
		})
	}
	return g.run()
}

func (g *group) AllReduce(x Vector, t Type) error {
	ends := Even(x.Len(), g.size)
	if err := g.ReduceScatter(x, ends, t); err != nil {
		return err
	}
	return g.AllGather(x, ends, t)
}

func (g *group) ReduceScatter(x Vector, ends []int, t Type) error {
	if err := checkEnds(ends, x.Len(), g.size); err != nil {
		return err
	}
	longest := 0
	for i := range ends {
		from, to := bounds(ends, i)
		longest = max(longest, to-from)
	}
	step := max(1, mostRoom/g.size/t.Size())
	for at := 0; at < longest || at == 0; at += step {
		if err := g.reducePiece(x, ends, at, step, t); err != nil {
			return err
		}
	}
	return nil
}

// mostRoom is memory for what others send at a time, in bytes.
const mostRoom = 64 << 20

// reducePiece sums so many elements of each rank's part from element at of it on.
func (g *group) reducePiece(x Vector, ends []int, at, most int, t Type) error {
	piece := func(rank int) Vector {
		from, to := bounds(ends, rank)
		return x.part(min(from+at, to), min(from+at+most, to))
	}
	mine := piece(g.rank)
	bytes := mine.Len() * t.Size()
	in := room(&g.in, bytes*g.size)
	var out []byte
	if t == BF16 {
		out = room(&g.out, min(x.Len(), most*g.size)*t.Size())
	}
	g.begin(shortMessage)
	g.others(func(peer int) {
		theirs := piece(peer)
		if t == BF16 {
			data := out[:theirs.Len()*t.Size()]
			out = out[len(data):]
			round(data, theirs)
			if len(data) > 0 {
				g.to(peer, data)
			}
			if bytes > 0 {
				g.from(peer, in[peer*bytes:][:bytes])
			}
			return
		}
		for _, s := range theirs {
			g.to(peer, bytesOf(s))
		}
		at := peer * bytes
		for _, s := range mine {
			g.from(peer, in[at:][:4*len(s)])
			at += 4 * len(s)
		}
	})
	if err := g.run(); err != nil {
		return err
	}
	g.sum(mine, in, t)
	return nil
}

// sum makes own that of what all ranks sent, in their order: of those before this one
// first, then this one's, then of the others.
func (g *group) sum(own Vector, in []byte, t Type) {
	n := own.Len()
	if t == BF16 {
		for _, s := range own {
			roundHere(s)
		}
	}
	sent := func(peer, at, n int) []float32 {
		x := in[peer*own.Len()*t.Size():][at*t.Size():][:n*t.Size()]
		if t == BF16 {
			return widen(room(&g.sums, n), x)
		}
		return floatsOf(x)
	}
	if n == 0 || g.size == 1 {
		return
	}
	const piece = 1 << 14 // stays in a cache while all ranks are added
	var before [piece]float32
	at := 0
	for _, s := range own {
		for len(s) > 0 {
			k := min(len(s), piece)
			for peer := range g.rank {
				if peer == 0 {
					copy(before[:k], sent(0, at, k))
				} else {
					add(before[:k], sent(peer, at, k))
				}
			}
			if g.rank > 0 {
				add(s[:k], before[:k]) // which is the sum the other way round
			}
			for peer := g.rank + 1; peer < g.size; peer++ {
				add(s[:k], sent(peer, at, k))
			}
			s, at = s[k:], at+k
		}
	}
}

func (g *group) AllGather(x Vector, ends []int, t Type) error {
	if err := checkEnds(ends, x.Len(), g.size); err != nil {
		return err
	}
	from, to := bounds(ends, g.rank)
	mine := x.part(from, to)
	var out, in []byte
	if t == BF16 {
		out = room(&g.out, (to-from)*t.Size())
		round(out, mine)
		for _, s := range mine {
			roundHere(s)
		}
		in = room(&g.in, (x.Len()-(to-from))*t.Size())
	}
	g.begin(shortMessage)
	rest := in
	g.others(func(peer int) {
		theirs := x.part(bounds(ends, peer))
		if t == BF16 {
			if len(out) > 0 {
				g.to(peer, out)
			}
			if n := theirs.Len() * t.Size(); n > 0 {
				g.from(peer, rest[:n])
				rest = rest[n:]
			}
			return
		}
		for _, s := range mine {
			g.to(peer, bytesOf(s))
		}
		for _, s := range theirs {
			g.from(peer, bytesOf(s))
		}
	})
	if err := g.run(); err != nil {
		return err
	}
	if t == BF16 {
		g.others(func(peer int) {
			for _, s := range x.part(bounds(ends, peer)) {
				widen(s, in[:2*len(s)])
				in = in[2*len(s):]
			}
		})
	}
	return nil
}

// Round makes numbers what they are when they have travelled.
func Round(x []float32, t Type) {
	if t == BF16 {
		roundHere(x)
	}
}

// room is memory for n elements.
func room[E byte | float32](x *[]E, n int) []E {
	if len(*x) < n {
		*x = make([]E, n)
	}
	return (*x)[:n]
}

func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

func floatsOf(x []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/4)
}

func halvesOf(x []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}

// round writes numbers as they travel in bf16.
func round(dst []byte, x Vector) {
	for _, s := range x {
		roundTo(halvesOf(dst[:2*len(s)]), s)
		dst = dst[2*len(s):]
	}
}

// widen reads them, and returns dst.
func widen(dst []float32, x []byte) []float32 {
	widenTo(dst, halvesOf(x))
	return dst
}
