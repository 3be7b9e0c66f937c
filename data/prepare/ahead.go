package prepare

import (
	"context"
	"sync/atomic"
)

// mostAhead bounds the bytes of text that were read and are not written: many
// small documents, or a single large one.
const mostAhead = 256 << 20

// ahead counts how far reading has run ahead. One goroutine adds, any release.
type ahead struct {
	bytes atomic.Int64
	freed chan struct{} // holds one
}

func newAhead() *ahead { return &ahead{freed: make(chan struct{}, 1)} }

// add waits until there is room for so many bytes more. It is false where ctx ends
// before.
func (a *ahead) add(ctx context.Context, n int64) bool {
	for a.bytes.Load() > 0 && a.bytes.Load()+n > mostAhead {
		select {
		case <-a.freed:
		case <-ctx.Done():
			return false
		}
	}
	a.bytes.Add(n)
	return true
}

func (a *ahead) release(n int64) {
	a.bytes.Add(-n)
	select {
	case a.freed <- struct{}{}:
	default: // it was told already
	}
}
