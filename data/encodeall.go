package data

import (
	"context"
	"runtime"
	"sync"

	"mobilellm/tokenizer"
)

// encodePiece is the size of the parts that are encoded side by side.
const encodePiece = 64 << 10

// encoded are the ids of one piece of a document.
type encoded struct {
	piece
	ids  []int32
	done chan struct{}
}

// EncodeAll encodes documents on all processors and hands their ids to emit
// in the documents' order, from one goroutine; a long document arrives in
// several parts, of which the last says so. The ids are those of the whole document
// by tok.EncodeOrdinary or, with parseSpecial, by tok.Encode. ids is only valid until emit returns. An error
// of emit or of ctx ends the work.
func EncodeAll(ctx context.Context, tok *tokenizer.Tokenizer, docs []Document, parseSpecial bool, emit func(doc int, ids []int32, last bool) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	workers := runtime.GOMAXPROCS(0)
	work := make(chan *encoded)
	order := make(chan *encoded, 4*workers) // how far work may run ahead
	var buffers sync.Pool

	var group sync.WaitGroup
	group.Go(func() {
		defer close(work)
		defer close(order)
		pieces(docs, encodePiece, tok.Cut, func(p piece) bool {
			part := &encoded{piece: p, done: make(chan struct{})}
			select {
			case order <- part:
			case <-ctx.Done():
				return false
			}
			select {
			case work <- part:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	for range workers {
		group.Go(func() {
			for part := range work {
				buffer, _ := buffers.Get().(*[]int32)
				if buffer == nil {
					buffer = new([]int32)
				}
				part.ids = tok.AppendPart((*buffer)[:0], part.text, tokenizer.Part{First: part.first, Last: part.last, Ordinary: !parseSpecial})
				close(part.done)
			}
		})
	}
	defer group.Wait()
	defer stop(nil)
	for part := range order {
		select {
		case <-part.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := emit(part.doc, part.ids, part.last); err != nil {
			return err
		}
		ids := part.ids
		buffers.Put(&ids)
	}
	return context.Cause(ctx)
}
