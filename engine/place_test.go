package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLayOut lays out random lives beside random owners of reused memory: nothing
// that lives at the same time shares a byte.
func TestLayOut(t *testing.T) {
	const last = 40
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		reused := &reusable{}
		for range rng.IntN(10) {
			owner := &interval{bytes: 4 * rng.Int64N(100), first: rng.IntN(last + 1), last: last, offset: reused.bytes}
			reused.placed = append(reused.placed, owner)
			reused.bytes += owner.bytes
		}
		var lives []*interval
		for range rng.IntN(60) {
			first := rng.IntN(last + 1)
			lives = append(lives, &interval{bytes: aligned(1 + rng.Int64N(600)), first: first, last: first + rng.IntN(last+1-first)})
		}
		owners := append([]*interval(nil), reused.placed...)
		size := layOut(lives, reused)
		for i, a := range lives {
			limit := size
			others := lives[:i:i]
			if a.reused {
				limit, others = reused.bytes, append(others, owners...)
			}
			if a.offset < 0 || a.end() > limit || a.offset%alignment != 0 {
				t.Fatalf("seed %d: %+v of %d bytes", seed, a, limit)
			}
			for _, b := range others {
				same := a.reused == (b.reused || slices.Contains(owners, b))
				if same && a.meets(b) && a.offset < b.end() && b.offset < a.end() {
					t.Fatalf("seed %d: %+v and %+v", seed, a, b)
				}
			}
		}
	}
}

// TestLayOutReuses lays out the activations of layers as large as their
// gradients: all but the first layer's and the last piece of work fit in them.
func TestLayOutReuses(t *testing.T) {
	for _, layers := range []int{1, 2, 30} {
		t.Run(fmt.Sprint(layers), func(t *testing.T) {
			const bytes = 10 * alignment
			reused := &reusable{bytes: int64(layers) * bytes}
			var lives []*interval
			for l := range layers {
				back := 2*layers - 1 - l // the instruction that reads layer l's activations and writes its gradients
				lives = append(lives, &interval{bytes: bytes, first: l, last: back})
				reused.placed = append(reused.placed, &interval{bytes: bytes, first: back, last: 2 * layers, offset: int64(l) * bytes})
			}
			if size := layOut(lives, reused); size != bytes {
				t.Errorf("the arena has %d bytes, want one layer's %d", size, bytes)
			}
		})
	}
}
