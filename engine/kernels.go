package engine

import (
	"fmt"
	"reflect"

	"mobilellm/engine/op"
)

// Kernels are the kernels of a sort of device D, by the type of their operation.
// The file of a kernel registers it when the program starts.
type Kernels[D any] struct {
	device  string // for errors
	compile map[reflect.Type]func(d D, in *Instr) (Kernel, error)
}

// NewKernels is a table without kernels for the named sort of device.
func NewKernels[D any](device string) *Kernels[D] {
	return &Kernels[D]{device, map[reflect.Type]func(D, *Instr) (Kernel, error){}}
}

// Register adds the kernel of an operation. One that is there already is a
// programming mistake.
func Register[D any, O op.Op](k *Kernels[D], compile func(d D, in *Instr, o O) (Kernel, error)) {
	t := reflect.TypeFor[O]()
	if k.compile[t] != nil {
		panic(fmt.Sprintf("engine: %s has two kernels for %v", k.device, t))
	}
	k.compile[t] = func(d D, in *Instr) (Kernel, error) { return compile(d, in, in.Op.(O)) }
}

// Compile makes the kernel of an instruction.
func (k *Kernels[D]) Compile(d D, in *Instr) (Kernel, error) {
	compile := k.compile[reflect.TypeOf(in.Op)]
	if compile == nil {
		return nil, fmt.Errorf("%s has no kernel for %T", k.device, in.Op)
	}
	return compile(d, in)
}
