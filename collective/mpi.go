//go:build cgo && linux

package collective

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "mpi.h"
#cgo noescape sum_ranks
#cgo nocallback sum_ranks
#cgo noescape sum_ranks_bf16
#cgo nocallback sum_ranks_bf16
#cgo noescape round_bf16
#cgo nocallback round_bf16
#cgo noescape widen_bf16
#cgo nocallback widen_bf16
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"
)

// mostBytes is how much travels at a time from or to one rank: MPI counts in ints, and what
// is received waits in memory of its own.
const mostBytes = 16 << 20

type group struct {
	launch
	rank int
	most int // bytes at a time

	out, in []byte // rounded numbers, and what others sent
}

func openMPI(l launch) (Group, error) {
	if name := os.Getenv("MOBILELLM_MPI"); name != "" {
		l.libraries = []string{name}
	}
	if err := load(l.libraries); err != nil {
		return nil, err
	}
	var rank, size, threads C.int
	if err := failed("MPI_Init_thread", C.mpi_init(&rank, &size, &threads)); err != nil {
		return nil, err
	}
	if int(size) != l.size {
		return nil, fmt.Errorf("%s sees %d: it is not this launcher's library\nhint: MOBILELLM_MPI names another", C.GoString(C.mpi_version()), size)
	}
	if threads < C.int(2) {
		return nil, fmt.Errorf("%s was built for one thread (level %d of 3), and Go's move", C.GoString(C.mpi_version()), threads)
	}
	return &group{launch: l, rank: int(rank), most: mostBytes}, nil
}

// load opens the first library that is there.
func load(names []string) error {
	var errs []error
	for _, name := range names {
		path := C.CString(name)
		defer C.free(unsafe.Pointer(path))
		message := (*C.char)(C.calloc(1, 512))
		defer C.free(unsafe.Pointer(message))
		if C.mpi_open(path, message, 512) != 0 {
			return nil
		}
		errs = append(errs, errors.New(C.GoString(message)))
	}
	return fmt.Errorf("no MPI library: %w\nhint: apt-get install openmpi-bin or mpich; MOBILELLM_MPI names a file elsewhere", errors.Join(errs...))
}

// failed is the error of a code of MPI's.
func failed(call string, code C.int) error {
	if code == 0 {
		return nil
	}
	text := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(text))
	C.mpi_error(code, text, 512)
	return fmt.Errorf("%s: %s", call, C.GoString(text))
}

func (g *group) Rank() int  { return g.rank }
func (g *group) Size() int  { return g.size }
func (g *group) Local() int { return g.local }

func (g *group) Barrier() error { return failed("MPI_Barrier", C.mpi_barrier()) }
func (g *group) Close() error   { return failed("MPI_Finalize", C.mpi_finalize()) }

func (g *group) Broadcast(x []byte, root int) error {
	if err := checkRoot(root, g.size); err != nil {
		return err
	}
	for len(x) > 0 {
		n := min(len(x), g.most)
		if err := failed("MPI_Bcast", C.mpi_bcast(unsafe.Pointer(unsafe.SliceData(x)), C.int(n), C.int(root))); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}

func (g *group) Exchange(own []byte) ([][]byte, error) {
	lengths := make([]byte, 8*g.size)
	if err := g.gather(binary.LittleEndian.AppendUint64(nil, uint64(len(own))), lengths, fixed(8, g.size)); err != nil {
		return nil, err
	}
	all := make([][]byte, g.size)
	longest := 0
	for i := range all {
		all[i] = make([]byte, binary.LittleEndian.Uint64(lengths[8*i:]))
		longest = max(longest, len(all[i]))
	}
	step := max(1, g.most/g.size)
	for at := 0; at < longest; at += step {
		counts, total := make([]int, g.size), 0
		for i := range all {
			counts[i] = max(0, min(step, len(all[i])-at))
			total += counts[i]
		}
		got := make([]byte, total)
		if err := g.gather(own[min(at, len(own)):][:counts[g.rank]], got, counts); err != nil {
			return nil, err
		}
		for i := range all {
			if counts[i] > 0 {
				copy(all[i][at:], got[:counts[i]])
			}
			got = got[counts[i]:]
		}
	}
	return all, nil
}

func fixed(n, times int) []int {
	list := make([]int, times)
	for i := range list {
		list[i] = n
	}
	return list
}

// gather is MPI_Allgatherv of bytes.
func (g *group) gather(own, all []byte, counts []int) error {
	n, at := cints(counts)
	return failed("MPI_Allgatherv", C.mpi_allgather(pointer(own), C.int(len(own)), pointer(all), &n[0], &at[0]))
}

// cints are counts, and where each begins.
func cints(counts []int) (n, at []C.int) {
	total := 0
	for _, c := range counts {
		n, at = append(n, C.int(c)), append(at, C.int(total))
		total += c
	}
	return n, at
}

func pointer[E any](x []E) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

func floats(x []float32) *C.float { return (*C.float)(pointer(x)) }
func halves(x []byte) *C.uint16_t { return (*C.uint16_t)(pointer(x)) }

func (g *group) AllReduce(x []float32, t Type) error {
	ends := Even(len(x), g.size)
	if err := g.ReduceScatter(x, ends, t); err != nil {
		return err
	}
	return g.AllGather(x, ends, t)
}

// pieces calls f with a piece of each rank's part at a time: where in x they begin, and how
// many elements they have.
func (g *group) pieces(ends []int, t Type, f func(from, counts []int) error) error {
	longest := 0
	for i := range ends {
		from, to := part(ends, i)
		longest = max(longest, to-from)
	}
	step := max(1, g.most/g.size/t.size())
	for at := 0; at < longest; at += step {
		begins, counts := make([]int, g.size), make([]int, g.size)
		for i := range ends {
			from, to := part(ends, i)
			begins[i] = min(from+at, to)
			counts[i] = min(step, to-begins[i])
		}
		if err := f(begins, counts); err != nil {
			return err
		}
	}
	return nil
}

// bytesOf are the bytes of counts of numbers, and all of them.
func bytesOf(counts []int, t Type) (sizes []int, total int) {
	for _, n := range counts {
		sizes = append(sizes, n*t.size())
		total += n * t.size()
	}
	return sizes, total
}

// room is memory of at least n bytes.
func room(x *[]byte, n int) []byte {
	if len(*x) < n {
		*x = make([]byte, n)
	}
	return (*x)[:n]
}

func (g *group) ReduceScatter(x []float32, ends []int, t Type) error {
	if err := checkEnds(ends, len(x), g.size); err != nil {
		return err
	}
	return g.pieces(ends, t, func(from, counts []int) error {
		sizes, total := bytesOf(counts, t)
		out, own := room(&g.out, total), counts[g.rank]
		to := out
		for i, n := range counts { // side by side: MPI's ints do not reach across a large model
			pack(to, x[from[i]:][:n], t)
			to = to[sizes[i]:]
		}
		in := room(&g.in, own*t.size()*g.size)
		n, at := cints(sizes)
		got, where := cints(fixed(own*t.size(), g.size))
		if err := failed("MPI_Alltoallv", C.mpi_alltoall(pointer(out), &n[0], &at[0], pointer(in), &got[0], &where[0])); err != nil {
			return err
		}
		g.sum(x[from[g.rank]:][:own], in, t)
		return nil
	})
}

// pack writes numbers as they travel, and unpack reads them.
func pack(dst []byte, x []float32, t Type) {
	if t == BF16 {
		C.round_bf16(halves(dst), floats(x), C.int64_t(len(x)))
		return
	}
	copy(dst, unsafe.Slice((*byte)(pointer(x)), 4*len(x)))
}

func unpack(dst []float32, x []byte, t Type) {
	if t == BF16 {
		C.widen_bf16(floats(dst), halves(x), C.int64_t(len(dst)))
		return
	}
	copy(unsafe.Slice((*byte)(pointer(dst)), 4*len(dst)), x)
}

// sum adds up what the ranks sent, in their order.
func (g *group) sum(own []float32, in []byte, t Type) {
	switch {
	case len(own) == 0:
	case t == BF16:
		C.sum_ranks_bf16(floats(own), halves(in), C.int(g.size), C.int64_t(len(own)))
	default:
		C.sum_ranks(floats(own), (*C.float)(pointer(in)), C.int(g.size), C.int64_t(len(own)))
	}
}

func (g *group) AllGather(x []float32, ends []int, t Type) error {
	if err := checkEnds(ends, len(x), g.size); err != nil {
		return err
	}
	return g.pieces(ends, t, func(from, counts []int) error {
		sizes, total := bytesOf(counts, t)
		own := x[from[g.rank]:][:counts[g.rank]]
		out := room(&g.out, len(own)*t.size())
		pack(out, own, t)
		in := room(&g.in, total)
		if err := g.gather(out, in, sizes); err != nil {
			return err
		}
		for i, n := range counts {
			unpack(x[from[i]:][:n], in, t)
			in = in[sizes[i]:]
		}
		return nil
	})
}
