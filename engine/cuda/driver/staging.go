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

	"mobilellm/engine/cuda/kernels"
)

// staging is pinned host memory, from which the GPU copies by itself while the
// host goes on. Its pieces are used in turn; each is free again when its event
// has come.
type staging struct {
	pieces [stagingPieces]struct {
		p    unsafe.Pointer
		done cu.Event
	}
	next int
}

const (
	stagingPieces = 4
	stagingBytes  = 8 << 20
)

func (s *staging) open() error {
	for i := range s.pieces {
		var p unsafe.Pointer
		if err := result(C.driver_pin(&p, stagingBytes)); err != nil {
			return fmt.Errorf("cuda: %d MB of pinned memory: %w", stagingBytes>>20, err)
		}
		s.pieces[i].p = p
		var err error
		if s.pieces[i].done, err = cu.MakeEvent(cu.DisableTiming); err != nil {
			return fmt.Errorf("cuda: event: %w", err)
		}
	}
	return nil
}

func (s *staging) close() error {
	var errs []error
	for i := range s.pieces {
		p := &s.pieces[i]
		if p.p != nil {
			errs = append(errs, result(C.driver_unpin(p.p)), cu.DestroyEvent(&p.done))
		}
	}
	return errors.Join(errs...)
}

// Upload implements cuda.Driver: the copy stream waits for the kernels before it,
// which may still read what is overwritten, and the kernels after it wait for it.
func (d *Driver) Upload(dst kernels.Pointer, src []byte) error {
	if err := errors.Join(d.ready.Record(d.stream), d.copies.Wait(d.ready, 0)); err != nil {
		return fmt.Errorf("cuda: upload: %w", err)
	}
	for len(src) > 0 {
		piece := &d.staging.pieces[d.staging.next]
		d.staging.next = (d.staging.next + 1) % stagingPieces
		if err := piece.done.Synchronize(); err != nil {
			return fmt.Errorf("cuda: upload: %w", err)
		}
		n := copy(unsafe.Slice((*byte)(piece.p), stagingBytes), src)
		err := errors.Join(
			cu.MemcpyHtoDAsync(cu.DevicePtr(dst), piece.p, int64(n), d.copies),
			piece.done.Record(d.copies), d.stream.Wait(piece.done, 0))
		if err != nil {
			return fmt.Errorf("cuda: upload: %w", err)
		}
		src, dst = src[n:], dst+kernels.Pointer(n)
	}
	return nil
}

// Download implements cuda.Driver.
func (d *Driver) Download(dst []byte, src kernels.Pointer) error {
	for len(dst) > 0 {
		piece := &d.staging.pieces[d.staging.next]
		d.staging.next = (d.staging.next + 1) % stagingPieces
		if err := piece.done.Synchronize(); err != nil {
			return fmt.Errorf("cuda: download: %w", err)
		}
		n := min(len(dst), stagingBytes)
		err := cu.MemcpyDtoHAsync(piece.p, cu.DevicePtr(src), int64(n), d.stream)
		if err = errors.Join(err, d.stream.Synchronize()); err != nil {
			return fmt.Errorf("cuda: download: %w", err)
		}
		copy(dst, unsafe.Slice((*byte)(piece.p), n))
		dst, src = dst[n:], src+kernels.Pointer(n)
	}
	return nil
}
