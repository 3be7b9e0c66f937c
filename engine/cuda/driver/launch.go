//go:build gpu

package driver

/*
#include "driver.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

// kernel is a function on the GPU.
type kernel struct {
	cu.Function
	shared int // bytes of dynamic shared memory that a launch may ask for
	slots  []unsafe.Pointer
}

// usualShared is what every function may ask for: 48 KB together with what it has
// beside, which is less than 16.
const usualShared = 32 << 10

// load takes the modules that are part of the program to the GPU.
func (d *Driver) load() error {
	modules, err := kernels.Modules()
	if err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	for _, module := range modules {
		m, err := cu.LoadData(string(module.Image))
		if err != nil {
			return fmt.Errorf("cuda: kernels of %s: %w\nhint: they want compute capability 8.0 and a driver of CUDA 13 or above", module.Name, err)
		}
		d.modules = append(d.modules, m)
	}
	return nil
}

// find looks for a function in all modules, once.
func (d *Driver) find(name string) (*kernel, error) {
	if k := d.kernels[name]; k != nil {
		return k, nil
	}
	for _, m := range d.modules {
		f, err := m.Function(name)
		if errors.Is(err, cu.NotFound) {
			continue
		}
		if err != nil { // code comes to the GPU when it is first looked for
			return nil, fmt.Errorf("cuda: kernel %s: %w", name, err)
		}
		d.kernels[name] = &kernel{Function: f, shared: usualShared}
		return d.kernels[name], nil
	}
	return nil, fmt.Errorf("cuda: no kernel %s", name)
}

// Launch implements cuda.Driver.
func (d *Driver) Launch(l kernels.Launch) error {
	k, err := d.find(l.Kernel)
	if err != nil {
		return err
	}
	if l.Shared > k.shared {
		if err := result(C.driver_shared(*(*unsafe.Pointer)(unsafe.Pointer(&k.Function)), C.int(l.Shared))); err != nil {
			return fmt.Errorf("cuda: %s: %d bytes of shared memory: %w", l.Kernel, l.Shared, err)
		}
		k.shared = l.Shared
	}
	k.slots = k.slots[:0]
	for i := range l.Args {
		k.slots = append(k.slots, unsafe.Pointer(&l.Args[i]))
	}
	if err := k.Launch(l.Grid[0], l.Grid[1], l.Grid[2], l.Block[0], l.Block[1], l.Block[2], l.Shared, d.stream, k.slots); err != nil {
		return fmt.Errorf("cuda: %s: %w", l.Kernel, err)
	}
	return nil
}

// graph is a captured sequence of work.
type graph struct {
	d    *Driver
	exec unsafe.Pointer
}

// Capture implements cuda.Driver.
func (d *Driver) Capture(f func()) (engine.Recording, error) {
	if err := result(C.driver_capture_begin(d.compute())); err != nil {
		return nil, err
	}
	f()
	g := &graph{d: d}
	if err := result(C.driver_capture_end(d.compute(), &g.exec)); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *graph) Replay() error { return result(C.driver_graph_launch(g.exec, g.d.compute())) }

func (g *graph) Free() error { return result(C.driver_graph_free(g.exec)) }
