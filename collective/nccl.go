//go:build cgo && linux

package collective

/*
#include <stdlib.h>
#include "nccl.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"
)

// NCCL sums what lies in the memory of GPUs, one for each rank of a group. Its methods but
// Abort are called on the thread that has the GPU's context current.
type NCCL struct {
	comm    unsafe.Pointer
	version int
	aborted atomic.Bool
}

// OpenNCCL joins the GPUs of a group, whose ranks call it alike, each with its own GPU's context
// current. The library is libnccl.so.2, or the file that MOBILELLM_NCCL names.
func OpenNCCL(g Group) (*NCCL, error) {
	n, err := loadNCCL()
	id := make([]byte, C.NCCL_ID)
	if err == nil && g.Rank() == 0 {
		err = ncclFailed("ncclGetUniqueId", C.nccl_id(unsafe.Pointer(&id[0])))
	}
	var say []byte
	if err != nil {
		say = []byte(err.Error())
	}
	all, failed := g.Exchange(say) // else the others would wait for this one
	if failed != nil {
		return nil, errors.Join(err, failed)
	}
	if err != nil {
		return nil, err
	}
	for rank, text := range all {
		if len(text) > 0 {
			return nil, fmt.Errorf("rank %d: %s", rank, text)
		}
	}
	if err := g.Broadcast(id, 0); err != nil {
		return nil, err
	}
	comm := (*unsafe.Pointer)(C.calloc(1, C.size_t(unsafe.Sizeof(n.comm))))
	defer C.free(unsafe.Pointer(comm))
	if err := ncclFailed("ncclCommInitRank", C.nccl_init(comm, C.int(g.Size()), unsafe.Pointer(&id[0]), C.int(g.Rank()))); err != nil {
		return nil, err
	}
	n.comm = *comm
	return n, nil
}

func loadNCCL() (*NCCL, error) {
	name := "libnccl.so.2"
	if other := os.Getenv("MOBILELLM_NCCL"); other != "" {
		name = other
	}
	path := C.CString(name)
	defer C.free(unsafe.Pointer(path))
	message := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(message))
	if C.nccl_open(path, message, 512) == 0 {
		return nil, fmt.Errorf("ranks on GPUs need NCCL: %s\nhint: install it, such as pip install nvidia-nccl-cu13, or name the file in MOBILELLM_NCCL", C.GoString(message))
	}
	var version C.int
	err := ncclFailed("ncclGetVersion", C.nccl_version(&version))
	return &NCCL{version: int(version)}, err
}

func ncclFailed(call string, code C.int) error {
	if code == 0 {
		return nil
	}
	return &TransportError{fmt.Errorf("%s: %s", call, C.GoString(C.nccl_error(code)))}
}

// Version is the library's, such as 2.28.3.
func (n *NCCL) Version() string {
	return fmt.Sprintf("%d.%d.%d", n.version/10000, n.version/100%100, n.version%100)
}

// AllReduce enqueues on a CUDA stream that n float32 at an address of the GPU become the sums
// of all ranks. All ranks have the same bits.
func (n *NCCL) AllReduce(address uintptr, elements int, stream unsafe.Pointer) error {
	return ncclFailed("ncclAllReduce", C.nccl_all_reduce(n.comm, C.uintptr_t(address), C.size_t(elements), stream))
}

// Err is what went wrong since, after the stream has been waited for.
func (n *NCCL) Err() error {
	if n.aborted.Load() {
		return &TransportError{errors.New("NCCL: given up")}
	}
	var code C.int
	if err := ncclFailed("ncclCommGetAsyncError", C.nccl_async_error(n.comm, &code)); err != nil {
		return err
	}
	return ncclFailed("NCCL", code)
}

// Abort ends what waits for ranks that do not answer, from any thread. Nothing else can be done
// after it.
func (n *NCCL) Abort() error {
	if n.aborted.Swap(true) {
		return nil
	}
	return ncclFailed("ncclCommAbort", C.nccl_abort(n.comm))
}

// Close takes leave of the others.
func (n *NCCL) Close() error {
	if n.aborted.Swap(true) {
		return nil
	}
	return ncclFailed("ncclCommDestroy", C.nccl_destroy(n.comm))
}
