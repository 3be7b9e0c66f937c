package train

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"mobilellm/collective"
	"mobilellm/optim"
)

// reducer sums the gradients of a step over all ranks. They leave in buckets, in the order in
// which the backward pass finishes them, while it goes on:
//
//	backward pass ── tell(name) ──► told ──► go: bucket 0, bucket 1, … ── finish() ──► update
//
// A bucket is reduced by scattering the sums among the ranks and gathering them; of a sharded
// run ([optim.Config].Shard) they stay with the ranks that own the parameters, and what is
// gathered are the weights, after the update ([reducer.gather]).
type reducer struct {
	group   collective.Group
	kind    collective.Type
	buckets []bucket
	sharded bool
	names   []string // of the gradients, in the order in which they are told

	told  chan struct{}
	count int // told in this step
	done  chan error
	wire  time.Duration // of the step's sums, whoever waited for them
	wait  time.Duration // of what the step waited for them
}

// bucket is gradients that leave together, and the weights they are of.
type bucket struct {
	grad, value collective.Vector
	ends        []int // where the parts of the ranks end
	after       int   // how many gradients are told when it is complete
	first, last string
}

// newReducer divides the gradients, which are told in that order, into buckets of about so
// many elements. owner says which rank each parameter's moments are with; nil is with all.
func newReducer(g collective.Group, kind collective.Type, elements int, order []string, params []optim.Param, owner map[string]int) *reducer {
	d := &reducer{group: g, kind: kind, sharded: owner != nil, names: order, told: make(chan struct{}, len(order)), done: make(chan error, 1)}
	byName := map[string]optim.Param{}
	for _, p := range params {
		byName[p.Name] = p
	}
	var sizes []int
	for _, name := range order {
		sizes = append(sizes, len(byName[name].Grad))
	}
	for _, pieces := range cut(sizes, elements) {
		last := pieces[len(pieces)-1].of
		b := bucket{after: last + 1, first: order[pieces[0].of], last: order[last], ends: make([]int, g.Size())}
		slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(owner[order[a.of]], owner[order[b.of]]) })
		for _, p := range pieces {
			param := byName[order[p.of]]
			b.grad, b.value = append(b.grad, param.Grad[p.from:p.to]), append(b.value, param.Value[p.from:p.to])
			b.ends[owner[param.Name]] += p.to - p.from
		}
		for i := 1; i < len(b.ends); i++ {
			b.ends[i] += b.ends[i-1]
		}
		if owner == nil {
			b.ends = collective.Even(b.grad.Len(), g.Size())
		}
		d.buckets = append(d.buckets, b)
	}
	return d
}

// piece is the elements from:to of a gradient, by its number.
type piece struct{ of, from, to int }

// cut divides gradients of so many elements each into buckets of most elements; the last may
// be smaller.
func cut(sizes []int, most int) (buckets [][]piece) {
	left := 0
	for i, n := range sizes {
		for from := 0; from < n; {
			if left == 0 {
				buckets, left = append(buckets, nil), most
			}
			to := min(n, from+left)
			b := &buckets[len(buckets)-1]
			*b = append(*b, piece{i, from, to})
			left, from = left-(to-from), to
		}
	}
	return buckets
}

// begin starts a step's sums.
func (d *reducer) begin() {
	d.count, d.wire = 0, 0
	go func() { d.done <- d.sums() }()
}

// tell says that the next gradient is finished.
func (d *reducer) tell(string) {
	d.count++
	d.told <- struct{}{}
}

func (d *reducer) sums() (err error) {
	have := 0
	for _, b := range d.buckets {
		for ; have < b.after; have++ {
			<-d.told
		}
		if err != nil {
			continue // what is told is still taken
		}
		begun := time.Now()
		if err = d.sum(b); err != nil {
			err = fmt.Errorf("gradients from %s to %s: %w", b.first, b.last, err)
		}
		d.wire += time.Since(begun)
	}
	for ; have < len(d.names); have++ {
		<-d.told
	}
	return err
}

func (d *reducer) sum(b bucket) error {
	if !d.sharded {
		return d.group.AllReduce(b.grad, d.kind)
	}
	if err := d.group.ReduceScatter(b.grad, b.ends, d.kind); err != nil {
		return err
	}
	for _, x := range b.grad { // as a gathering would round it; other ranks' parts mean nothing
		collective.Round(x, d.kind)
	}
	return nil
}

// finish waits for the sums. Gradients that were not told, after an error, are taken as they are:
// the other ranks count on them.
func (d *reducer) finish() error {
	for d.count < len(d.names) {
		d.tell("")
	}
	begun := time.Now()
	err := <-d.done
	d.wait = time.Since(begun)
	return err
}

// gather gives every rank the weights that the others updated.
func (d *reducer) gather() error {
	if d == nil || !d.sharded {
		return nil
	}
	begun := time.Now()
	for _, b := range d.buckets {
		if err := d.group.AllGather(b.value, b.ends, collective.Float32); err != nil {
			return fmt.Errorf("weights from %s to %s: %w", b.first, b.last, err)
		}
	}
	took := time.Since(begun)
	d.wire, d.wait = d.wire+took, d.wait+took
	return nil
}

// gradNorm is the norm of all gradients. Of a sharded run each rank has the squares of its own.
func (r *run) gradNorm() (float64, error) {
	if r.owner == nil {
		return optim.GradNorm(r.trained, r.dev), nil
	}
	all, err := r.ranks.share(context.Background(), nil, optim.GradSquares(r.owned(), r.dev)...)
	if err != nil {
		return 0, err
	}
	var squares []float64
	for _, p := range r.trained {
		n, rank := optim.Squares(len(p.Grad)), r.owner[p.Name]
		if len(all[rank]) < n {
			return 0, fmt.Errorf("rank %d has no square of the gradient of %s", rank, p.Name)
		}
		squares = append(squares, all[rank][:n]...)
		all[rank] = all[rank][n:]
	}
	return optim.Norm(squares), nil
}
