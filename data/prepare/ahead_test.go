package prepare

import (
	"context"
	"testing"
	"time"
)

func TestAhead(t *testing.T) {
	a, ctx := newAhead(), context.Background()
	if !a.add(ctx, 3*mostAhead) { // alone, whatever its size
		t.Fatal("no room for the first")
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if a.add(short, 1) {
		t.Error("room beside what fills it")
	}
	for i := range 100 {
		done := make(chan bool)
		go func() { done <- a.add(ctx, mostAhead) }()
		if i == 0 {
			a.release(3 * mostAhead)
		} else {
			a.release(mostAhead)
		}
		if !<-done {
			t.Fatal("no room after a release")
		}
	}
	a.release(mostAhead)
	for range 8 {
		if !a.add(ctx, mostAhead/8) {
			t.Error("no room for many")
		}
	}
	if a.bytes.Load() != mostAhead {
		t.Errorf("%d bytes", a.bytes.Load())
	}
}
