//go:build linux

package emulator

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

// Machine is an emulated GPU. Its methods may be called from several goroutines and
// take turns.
type Machine struct {
	mu     sync.Mutex
	cmd    *exec.Cmd
	in     *bufio.Writer
	pipe   io.Closer
	out    *bufio.Reader
	errors bytes.Buffer
	broken error
	blocks map[kernels.Pointer]block

	// Order permutes the threads of each block of the launches to come; 0 runs
	// them by number.
	Order uint64
}

// block is an allocation: a range of pages that ends in one that nobody may touch.
type block struct {
	base  unsafe.Pointer
	pages int
}

// addresses is where memory is asked for next: far from where a process has its
// program, libraries, heap or stacks, so that it is free in both.
var addresses atomic.Int64

func init() { addresses.Store(32 << 40) }

// Start compiles the kernels, unless that was done before, and starts a machine.
// Without a C++ compiler the error is ErrNoCompiler.
func Start() (*Machine, error) {
	folder, err := program().build("emulator")
	if err != nil {
		return nil, err
	}
	m := &Machine{cmd: exec.Command(filepath.Join(folder, "emulator")), blocks: map[kernels.Pointer]block{}}
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	m.cmd.Stderr = &m.errors
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	m.in, m.pipe, m.out = bufio.NewWriterSize(in, 1<<16), in, bufio.NewReaderSize(out, 1<<16)
	return m, nil
}

// Close ends the machine and gives its addresses back.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.blocks {
		if err := unix.MunmapPtr(b.base, uintptr(b.pages)); err != nil {
			return fmt.Errorf("emulator: %w", err)
		}
	}
	m.blocks = nil
	if m.broken != nil {
		return nil // it has ended, and its error was given out
	}
	m.broken = errors.New("emulator: closed")
	if err := m.pipe.Close(); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	if err := m.cmd.Wait(); err != nil {
		return m.crash(err)
	}
	return nil
}

// crash is the error of a process that has ended.
func (m *Machine) crash(err error) error {
	if text := strings.TrimSpace(m.errors.String()); text != "" {
		return fmt.Errorf("emulator: %s", text)
	}
	return fmt.Errorf("emulator: %w", err)
}

// request sends numbers and then data, and waits for the answer.
func (m *Machine) request(data []byte, numbers ...uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.exchange(data, nil, numbers)
}

// exchange is request with m.mu held; it fills result after a good answer.
func (m *Machine) exchange(data, result []byte, numbers []uint64) error {
	if m.broken != nil {
		return m.broken
	}
	err := m.talk(data, result, numbers)
	var refused refusal
	if err == nil || errors.As(err, &refused) {
		return err
	}
	m.pipe.Close()
	if ended := m.cmd.Wait(); ended != nil {
		err = ended
	}
	m.broken = m.crash(err)
	return m.broken
}

// refusal is what the machine says of a request that it does not carry out.
type refusal string

func (r refusal) Error() string { return "emulator: " + string(r) }

func (m *Machine) talk(data, result []byte, numbers []uint64) error {
	if err := binary.Write(m.in, binary.LittleEndian, numbers); err != nil {
		return err
	}
	if _, err := m.in.Write(data); err != nil {
		return err
	}
	if err := m.in.Flush(); err != nil {
		return err
	}
	var n uint64
	if err := binary.Read(m.out, binary.LittleEndian, &n); err != nil {
		return err
	}
	if n > 0 {
		text := make([]byte, n)
		if _, err := io.ReadFull(m.out, text); err != nil {
			return err
		}
		return refusal(text)
	}
	_, err := io.ReadFull(m.out, result)
	return err
}

// Alloc returns zeroed memory. Its address, a multiple of 16, is reserved in this
// process, where touching it is a fault.
func (m *Machine) Alloc(size int64) (kernels.Pointer, error) {
	page := int64(unix.Getpagesize())
	pages := (size+page-1)/page*page + page
	m.mu.Lock()
	defer m.mu.Unlock()
	for range 10 { // the address may be taken in the other process
		hint := unsafe.Add(nil, addresses.Add(pages)-pages)
		base, err := unix.MmapPtr(-1, 0, hint, uintptr(pages), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err != nil {
			return 0, fmt.Errorf("emulator: %w", err)
		}
		err = m.exchange(nil, nil, []uint64{'a', uint64(uintptr(base)), uint64(pages - page)})
		if err == nil {
			p := kernels.Pointer(uintptr(base)) + kernels.Pointer(pages-page-(size+15)/16*16)
			m.blocks[p] = block{base, int(pages)}
			return p, nil
		}
		if m.broken != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("emulator: no address for %d bytes", size)
}

// Free gives memory back.
func (m *Machine) Free(p kernels.Pointer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blocks[p]
	if !ok {
		return fmt.Errorf("emulator: %#x was not allocated", uint64(p))
	}
	delete(m.blocks, p)
	if err := m.exchange(nil, nil, []uint64{'f', uint64(uintptr(b.base)), uint64(b.pages - unix.Getpagesize())}); err != nil {
		return err
	}
	return unix.MunmapPtr(b.base, uintptr(b.pages))
}

// Write copies data to the machine's memory.
func (m *Machine) Write(to kernels.Pointer, data []byte) error {
	return m.request(data, 'w', uint64(to), uint64(len(data)))
}

// Read copies from the machine's memory.
func (m *Machine) Read(data []byte, from kernels.Pointer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.exchange(nil, data, []uint64{'r', uint64(from), uint64(len(data))})
}

// Launch runs a kernel to its end. What a kernel does wrong, from an address beyond
// its memory to a barrier that not all threads reach, ends the machine, and the
// error says where.
func (m *Machine) Launch(l kernels.Launch) error {
	var b bytes.Buffer
	b.WriteString(l.Kernel)
	put := func(x uint64) { b.Write(binary.LittleEndian.AppendUint64(nil, x)) }
	for _, n := range append(l.Grid[:len(l.Grid):len(l.Grid)], l.Block[:]...) {
		put(uint64(n))
	}
	put(uint64(l.Shared))
	put(m.Order)
	put(uint64(len(l.Args)))
	for _, a := range l.Args {
		put(a)
	}
	if err := m.request(b.Bytes(), 'l', uint64(len(l.Kernel))); err != nil {
		return fmt.Errorf("%s: %w", l.Kernel, err)
	}
	return nil
}

// Kernels are the names of all kernels of package kernels.
func (m *Machine) Kernels() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var size [8]byte
	if err := m.exchange(nil, size[:], []uint64{'k'}); err != nil {
		return nil, err
	}
	names := make([]byte, binary.LittleEndian.Uint64(size[:]))
	if _, err := io.ReadFull(m.out, names); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	return strings.Fields(string(names)), nil
}

// Matrix is an operand of a matmul, row major: in memory it has Stride elements
// from row to row.
type Matrix struct {
	At         kernels.Pointer
	Stride     int
	Transposed bool
	DType      engine.DType // F32 or BF16
}

// Product makes c[m,n] = alpha·a[m,k]·b[k,n] + beta·c, summed in float64; it stands
// in for the library that the device takes matmuls from. a and b may lie
// transposed in memory.
func (m *Machine) Product(rows, columns, depth int, a, b, c Matrix, alpha, beta float32) error {
	one := func(yes bool) uint64 {
		if yes {
			return 1
		}
		return 0
	}
	isBF16 := func(t engine.DType) uint64 { return one(t == engine.BF16) }
	scales := uint64(math.Float32bits(alpha)) | uint64(math.Float32bits(beta))<<32
	return m.request(nil, 'p', uint64(rows), uint64(columns), uint64(depth), one(a.Transposed), one(b.Transposed),
		uint64(a.At), uint64(b.At), uint64(c.At), uint64(a.Stride), uint64(b.Stride), uint64(c.Stride),
		isBF16(a.DType), isBF16(b.DType), isBF16(c.DType), scales)
}
