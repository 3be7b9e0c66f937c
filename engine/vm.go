package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"gorgonia.org/gorgonia"

	"mobilellm/internal/bfloat16"
)

// Options are the choices of a compilation.
type Options struct {
	Precision Precision
	Recompute Recompute
	// CheckNaN makes every run look at each result and name the first operation
	// that made a value that is not finite. It costs a pass over memory.
	CheckNaN bool
	// Profile measures the time of every instruction.
	Profile bool
	// ReuseGradients lays values out in the memory of the weights' gradients while
	// no gradient is there: before the backward pass has come to its layer. It is
	// for a program that computes a step's gradients in one run, and for one that
	// runs between steps.
	ReuseGradients bool
	// PlanOnly lays the program out without taking memory; it cannot run.
	PlanOnly bool
}

// VM runs a compiled program. It implements gorgonia.VM. It is not safe for
// concurrent use.
type VM struct {
	program    Program
	instrs     []*Instr
	kernels    []Kernel
	scratch    []unsafe.Pointer
	values     map[*gorgonia.Node]*Tensor
	inputs     map[*gorgonia.Node]*Tensor
	arena      Memory
	input      Memory
	bytes      int64
	flops      []int64
	profile    *Profile
	checkNaN   bool
	look       func(*Instr) // nil but while someone looks
	accumulate bool
	reuses     bool // values lie where gradients would have to stay
	do         func(func())
	loop       func()
	err        error
	async      Asynchronous  // nil where a kernel is done when Run returns
	recordings [2]*recording // of a step's first micro-batch and of the others
	recorder   Recorder      // nil where nothing is recorded
	finished   [][]string    // parameters whose gradient is whole after each instruction
	onGradient func(name string)
}

var _ gorgonia.VM = (*VM)(nil)

// Compile plans the program and binds it to the device's kernels.
func Compile(p Program, dev Device, opt Options) (*VM, error) {
	pl, err := lower(p, opt.Precision)
	if err != nil {
		return nil, err
	}
	if opt.Precision == PrecisionBF16 && dev.KeepsBF16() {
		pl.roundWeights()
	}
	pl.recompute(opt.Recompute)
	pl.alias()
	if err := pl.join(); err != nil {
		return nil, err
	}
	vm := &VM{program: p, values: map[*gorgonia.Node]*Tensor{}, inputs: pl.inputs, checkNaN: opt.CheckNaN, do: dev.Do}
	vm.loop = vm.run
	vm.async, _ = dev.(Asynchronous)
	if r, ok := dev.(Recorder); ok && !opt.CheckNaN && !opt.Profile {
		vm.recorder, vm.loop = r, vm.replay
	}
	reused := &reusable{}
	if opt.ReuseGradients {
		reused = p.Weights.reusable(p, pl.steps)
		vm.reuses = len(p.Gradients) > 0
	}
	if err := vm.bind(pl, dev, reused, opt.PlanOnly); err != nil {
		vm.Close()
		return nil, err
	}
	if opt.Profile {
		vm.profile = newProfile(vm.instrs, vm.flops, dev)
	}
	return vm, nil
}

// bind makes the final instructions, compiles them and places their operands.
func (vm *VM) bind(pl *plan, dev Device, reused *reusable, planOnly bool) error {
	lives := map[*value]*interval{}
	for _, s := range pl.steps {
		vm.instrs = append(vm.instrs, s.instr())
	}
	var all []*interval
	scratch := make([]*interval, len(vm.instrs))
	for i, in := range vm.instrs {
		k, err := dev.Compile(in)
		if err != nil {
			return fmt.Errorf("engine: %s: %w", in.Name(), err)
		}
		vm.kernels = append(vm.kernels, k)
		vm.flops = append(vm.flops, FLOPs(in))
		if n := k.Scratch(); n > 0 {
			scratch[i] = &interval{bytes: aligned(n), first: i, last: i}
			all = append(all, scratch[i])
		}
		for _, v := range pl.steps[i].operands() {
			r := v.root()
			if r.home != nil {
				continue
			}
			if lives[r] == nil {
				lives[r] = &interval{bytes: aligned(r.tensor().Bytes()), first: i}
				all = append(all, lives[r])
			}
			lives[r].last = i
			if r.keep {
				lives[r].last = len(vm.instrs)
			}
		}
	}
	vm.findFinished()
	vm.bytes = layOut(all, reused)
	for n, v := range pl.values {
		vm.values[n] = v.tensor()
	}
	if planOnly {
		return nil
	}
	var err error
	if vm.arena, err = dev.Alloc(max(vm.bytes, alignment)); err != nil {
		return fmt.Errorf("engine: %d MB for activations: %w", vm.bytes>>20, err)
	}
	address := func(iv *interval) unsafe.Pointer {
		if iv.reused {
			return unsafe.Add(pl.program.Weights.reused.Pointer(), iv.offset)
		}
		return unsafe.Add(vm.arena.Pointer(), iv.offset)
	}
	remote, _ := dev.(Remote)
	for v, iv := range lives {
		t := v.tensor()
		t.ptr, t.on = address(iv), remote
	}
	for _, s := range pl.steps {
		for _, v := range s.operands() {
			root, offset := v.located()
			t, in := v.tensor(), root.tensor()
			t.ptr, t.on = unsafe.Add(in.ptr, offset), in.on
		}
	}
	vm.scratch = make([]unsafe.Pointer, len(vm.instrs))
	for i, iv := range scratch {
		if iv != nil {
			vm.scratch[i] = address(iv)
		}
	}
	return vm.placeInputs(dev)
}

func (vm *VM) placeInputs(dev Device) error {
	var total int64
	for _, t := range vm.inputs {
		total += aligned(t.Bytes())
	}
	var err error
	if vm.input, err = dev.Alloc(max(total, alignment)); err != nil {
		return fmt.Errorf("engine: inputs: %w", err)
	}
	at := vm.input.Pointer()
	remote, _ := dev.(Remote)
	for _, t := range vm.inputs {
		t.ptr, t.on = at, remote
		at = unsafe.Add(at, aligned(t.Bytes()))
	}
	return nil
}

// tensor is the value's final form.
func (v *value) tensor() *Tensor {
	if v.home != nil {
		return v.home
	}
	if v.t == nil {
		v.t = &Tensor{Name: v.name, Shape: v.shape, DType: v.dtype}
		if root, offset := v.located(); root.joined && root != v {
			v.t.group, v.t.offset = root.tensor(), offset
		}
	}
	return v.t
}

func (s *step) operands() []*value {
	var vs []*value
	for _, v := range append(append([]*value{}, s.in...), s.out...) {
		if v != nil {
			vs = append(vs, v)
		}
	}
	return vs
}

func (s *step) instr() *Instr {
	in := &Instr{Op: s.op, Store: s.store, Repeated: s.repeated}
	for _, v := range s.in {
		in.In = append(in.In, v.tensor())
	}
	for _, v := range s.out {
		if v == nil {
			in.Out = append(in.Out, nil)
			continue
		}
		in.Out = append(in.Out, v.tensor())
	}
	return in
}

// Accumulate says whether the next runs add to the gradients that are there
// (the later micro-batches of a step) or replace them (the first). A
// program that reuses their memory cannot add.
func (vm *VM) Accumulate(on bool) { vm.accumulate = on }

// OnGradient makes runs tell of each parameter's gradient when its last term is there, in
// the order of [VM.GradientOrder], while the backward pass goes on; nil tells no more. What f
// does delays the run. On devices whose kernels are done when they return.
func (vm *VM) OnGradient(f func(name string)) { vm.onGradient = f }

// GradientOrder are the parameters in the order in which a run finishes their gradients.
func (vm *VM) GradientOrder() []string { return slices.Concat(vm.finished...) }

// Finished is a gradient with the share of a run's FLOPs after which it is whole.
type Finished struct {
	Name  string
	After float64
}

// GradientCourse are the gradients in the order of [VM.GradientOrder].
func (vm *VM) GradientCourse() (list []Finished) {
	var done int64
	for i, names := range vm.finished {
		done += vm.flops[i]
		for _, name := range names {
			list = append(list, Finished{name, float64(done) / float64(vm.FLOPs())})
		}
	}
	return list
}

// findFinished looks where the last terms of gradients are made.
func (vm *VM) findFinished() {
	last := map[*Tensor]int{}
	for i, in := range vm.instrs {
		for _, t := range in.Out {
			last[t] = i
		}
	}
	vm.finished = make([][]string, len(vm.instrs))
	for _, name := range slices.Sorted(maps.Keys(vm.program.Gradients)) {
		i := last[vm.program.Weights.Gradient(name)]
		vm.finished[i] = append(vm.finished[i], name)
	}
}

// RunAll runs the program once.
func (vm *VM) RunAll() error {
	if vm.arena == nil {
		return errors.New("engine: the program was only planned, or is closed")
	}
	loop := vm.loop
	if vm.onGradient != nil {
		loop = vm.run
	}
	if vm.accumulate && vm.reuses {
		return errors.New("engine: gradients cannot be added to: the program reuses their memory")
	}
	vm.err = nil
	vm.do(loop)
	if vm.err == nil && vm.async != nil {
		vm.err = vm.async.Err()
	}
	return vm.err
}

func (vm *VM) run() {
	if vm.profile != nil && vm.async != nil {
		vm.runMarked()
		return
	}
	for i, k := range vm.kernels {
		start := vm.profile.start()
		k.Run(vm.scratch[i], vm.accumulate)
		vm.profile.stop(i, start)
		if vm.onGradient != nil {
			for _, name := range vm.finished[i] {
				vm.onGradient(name)
			}
		}
		if vm.look != nil {
			vm.look(vm.instrs[i])
		}
		if vm.checkNaN {
			if vm.err = finite(vm.instrs[i]); vm.err != nil {
				return
			}
		}
	}
}

// runMarked is run with the device's own clock: kernels are enqueued without
// waiting, and their times read when all are done.
func (vm *VM) runMarked() {
	vm.async.Mark(0)
	for i, k := range vm.kernels {
		k.Run(vm.scratch[i], vm.accumulate)
		vm.async.Mark(i + 1)
	}
	for i := range vm.kernels {
		vm.profile.count(i, vm.async.Elapsed(i, i+1))
	}
}

// recording is a program that ran once as it is, before it was recorded.
type recording struct{ kept Recording }

// replay runs the program the first time, which lets libraries settle, records
// it the second time, and enqueues what is recorded from then on.
func (vm *VM) replay() {
	which := 0
	if vm.accumulate {
		which = 1
	}
	r := vm.recordings[which]
	if r == nil {
		vm.recordings[which] = &recording{}
		vm.run()
		return
	}
	if r.kept == nil {
		if r.kept, vm.err = vm.recorder.Record(vm.run); vm.err != nil {
			return
		}
		if r.kept == nil { // recording is off
			vm.loop = vm.run
			vm.run()
			return
		}
	}
	vm.err = r.kept.Replay()
}

// Reset implements gorgonia.VM; a program may run again without it.
func (vm *VM) Reset() {}

// Close frees the program's memory; the weights stay.
func (vm *VM) Close() error {
	var errs []error
	for _, r := range vm.recordings {
		if r != nil && r.kept != nil {
			errs = append(errs, r.kept.Free())
		}
	}
	vm.recordings = [2]*recording{}
	for _, m := range []Memory{vm.arena, vm.input} {
		if m != nil {
			errs = append(errs, m.Free())
		}
	}
	vm.arena, vm.input = nil, nil
	return errors.Join(errs...)
}

// Input is the memory of an input node: ids or the loss's scale.
func (vm *VM) Input(n *gorgonia.Node) *Tensor {
	t := vm.inputs[n]
	if t == nil {
		panic(fmt.Sprintf("engine: node %s is no input of the program", n.Name()))
	}
	return t
}

// Output is the memory of one of the program's outputs.
func (vm *VM) Output(n *gorgonia.Node) *Tensor {
	for _, o := range vm.program.Outputs {
		if o == n {
			return vm.values[n]
		}
	}
	panic(fmt.Sprintf("engine: node %s is no output of the program", n.Name()))
}

// Bytes is the memory of activations and scratch, less what is reused.
func (vm *VM) Bytes() int64 { return vm.bytes }

// FLOPs are the floating-point operations of one run, recomputation included.
func (vm *VM) FLOPs() int64 {
	var n int64
	for _, f := range vm.flops {
		n += f
	}
	return n
}

// Instrs are the program's instructions in order.
func (vm *VM) Instrs() []*Instr { return vm.instrs }

// Profile is the time spent in each operation, nil unless it was asked for.
func (vm *VM) Profile() *Profile { return vm.profile }

// finite names the instruction if one of its results holds a NaN or infinity.
func finite(in *Instr) error {
	for _, t := range in.Out {
		if t == nil {
			continue
		}
		at, v, bad, err := firstNonFinite(t)
		if err != nil {
			return err
		}
		if bad {
			return &NonFiniteError{Op: in.Name(), Tensor: t.Name, Row: at / t.Cols(), Col: at % t.Cols(), Value: v}
		}
	}
	return nil
}

func firstNonFinite(t *Tensor) (at int, value float32, bad bool, err error) {
	switch t.DType {
	case F32:
		xs, err := hostValues[float32](t)
		if err != nil {
			return 0, 0, false, err
		}
		for i, x := range xs {
			if x-x != 0 {
				return i, x, true, nil
			}
		}
	case BF16:
		bits, err := hostValues[uint16](t)
		if err != nil {
			return 0, 0, false, err
		}
		for i, h := range bits {
			if x := bfloat16.Float32(h); x-x != 0 {
				return i, x, true, nil
			}
		}
	}
	return 0, 0, false, nil
}

// hostValues views a tensor in host memory and copies one that is elsewhere.
func hostValues[E float32 | uint16 | int32](t *Tensor) ([]E, error) {
	if t.OnHost() {
		return unsafe.Slice((*E)(t.ptr), t.Len()), nil
	}
	x := make([]E, t.Len())
	return x, Read(t, x)
}

// NonFiniteError names the first operation of a run that made a NaN or an
// infinity.
type NonFiniteError struct {
	Op       string // place and kind
	Tensor   string
	Row, Col int
	Value    float32
}

func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("%s: %s[%d,%d] is %v", e.Op, e.Tensor, e.Row, e.Col, e.Value)
}
