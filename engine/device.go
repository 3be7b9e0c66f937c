package engine

import (
	"unsafe"

	"mobilellm/engine/op"
)

// Device owns memory and compiles instructions to kernels.
type Device interface {
	Name() string
	// Alloc returns zeroed memory.
	Alloc(bytes int64) (Memory, error)
	// Compile returns the kernel of an instruction. Shapes and types are final;
	// the operands get their addresses before the first Run.
	Compile(in *Instr) (Kernel, error)
	// Do runs f where kernels run; RunAll does its work in it.
	Do(f func())
	// KeepsBF16 reports whether matmuls in bf16 want a rounded copy of the
	// weights.
	KeepsBF16() bool
	// Round writes src, float32, to dst, bf16.
	Round(dst, src *Tensor)
}

// Memory is a piece of device memory.
type Memory interface {
	Pointer() unsafe.Pointer
	Free() error
}

// Kernel runs one instruction.
type Kernel interface {
	// Scratch is the number of bytes that Run needs beside its operands.
	Scratch() int64
	// Run executes the instruction. accumulating is true from the second
	// micro-batch of a step on; see Store.
	Run(scratch unsafe.Pointer, accumulating bool)
}

// Store says how a kernel writes a result.
type Store uint8

// The ways to write a result.
const (
	Overwrite            Store = iota // replace what was there
	Accumulate                        // add to what is there
	AccumulateAfterFirst              // replace in a step's first micro-batch, add in the others
)

// Adds reports whether a kernel adds to what is there.
func (s Store) Adds(accumulating bool) bool {
	return s == Accumulate || s == AccumulateAfterFirst && accumulating
}

// Instr is an operation with its operands.
type Instr struct {
	Op    op.Op
	In    []*Tensor
	Out   []*Tensor // one for each part; nil where nobody reads it
	Store []Store   // how each part is written
	// Repeated marks a forward operation that the plan runs again before the
	// backward pass, instead of keeping its result.
	Repeated bool
}

// Name is the operation's place and kind, for profiles and errors.
func (in *Instr) Name() string { return in.Op.Scope() + " " + in.Op.Kind() }
