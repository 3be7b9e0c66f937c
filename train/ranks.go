package train

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"mobilellm/collective"
	"mobilellm/data"
	"mobilellm/device"
)

// A run of several ranks is one run on several processes: each computes its share of every
// batch, all of them sum their gradients and make the same update. The first alone writes: the
// others' folder is one that is removed.
//
// Ranks stay together by what they tell each other at the beginning of each step and at the
// end of each scoring (share): an error or a signal of one is heard by all at the same place.

// ranks is a run's group. Of nil, a run of one, nothing is done.
type ranks struct {
	collective.Group
	measures bool // the first measures by tasks or writes samples, and the others wait
}

// rankBatch is the number of sequences in a step of one rank.
func (c *RunConfig) rankBatch() int { return c.Train.Batch / max(1, c.ranks) }

// joinRanks makes a run one rank's of a group. done removes what it took.
func joinRanks(c *RunConfig, o *Options) (_ *ranks, done func() error, err error) {
	done = func() error { return nil }
	g := o.Group
	if g == nil || g.Size() == 1 {
		return nil, done, nil
	}
	n := g.Size()
	if o.Overfit {
		return nil, done, fmt.Errorf("--overfit-batch is for one rank, not for %d", n)
	}
	if err := c.ForRanks(n); err != nil {
		return nil, done, err
	}
	joined := &ranks{Group: g, measures: len(c.Eval.Tasks)+len(c.Eval.Samples) > 0}
	if g.Rank() > 0 {
		dir, err := os.MkdirTemp("", "mobilellm-rank-")
		if err != nil {
			return nil, done, err
		}
		done = func() error { return os.RemoveAll(dir) }
		o.LeaveOut = append(o.LeaveOut, o.Out)
		o.Out, o.Numbered, o.Restart = dir, false, true
		o.Progress, o.Sink, o.Tasks, o.Sampler, o.SaveNow = NewProgress(io.Discard, false), nil, nil, nil, nil
		c.Eval.Tasks, c.Eval.Samples, c.noCopy = nil, nil, true
	}
	return joined, done, nil
}

// rank is the run's number among its ranks.
func (r *run) rank() int {
	if r.ranks == nil {
		return 0
	}
	return r.ranks.Rank()
}

// first says whether this process writes what the run gives.
func (k *ranks) first() bool { return k == nil || k.Rank() == 0 }

// message is what ranks tell each other.
type message struct {
	Stop  stop      `json:"stop,omitempty"`
	Error string    `json:"error,omitempty"`
	Bits  []uint64  `json:"bits,omitempty"` // of numbers, which must arrive as they are
	Facts []rankKey `json:"facts,omitempty"`

	Choice *Choice `json:"choice,omitempty"`
}

type stop int

const (
	goOn stop = iota
	stopInterrupted
	stopTimeLimit
	stopFailed
)

// rankKey is something in which all ranks must be alike.
type rankKey struct{ Name, Value string }

// RankError is of another rank's error.
type RankError struct {
	Rank int
	Text string
}

func (e *RankError) Error() string { return fmt.Sprintf("rank %d: %s", e.Rank, e.Text) }

// share tells all ranks numbers and whether this one goes on, and returns what they tell, by
// rank. Where one does not, it is an error everywhere: its own where it has one.
func (k *ranks) share(ctx context.Context, err error, numbers ...float64) ([][]float64, error) {
	m := message{}
	for _, x := range numbers {
		m.Bits = append(m.Bits, math.Float64bits(x))
	}
	switch {
	case errors.Is(err, ErrTimeLimit):
		m.Stop = stopTimeLimit
	case ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())):
		m.Stop, err = stopInterrupted, ctx.Err()
	case err != nil:
		m.Stop, m.Error = stopFailed, err.Error()
	}
	list, failed := k.exchange(m)
	if failed != nil {
		return nil, errors.Join(err, failed)
	}
	if err != nil {
		return nil, err
	}
	all := make([][]float64, len(list))
	for i, m := range list {
		switch m.Stop {
		case stopInterrupted:
			return nil, ErrInterrupted
		case stopTimeLimit:
			return nil, ErrTimeLimit
		case stopFailed:
			return nil, &RankError{i, m.Error}
		}
		for _, b := range m.Bits {
			all[i] = append(all[i], math.Float64frombits(b))
		}
	}
	return all, nil
}

func (k *ranks) exchange(m message) ([]message, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	got, err := k.Exchange(raw)
	if err != nil {
		return nil, err
	}
	list := make([]message, len(got))
	for i, raw := range got {
		if err := json.Unmarshal(raw, &list[i]); err != nil {
			return nil, fmt.Errorf("what rank %d says: %w", i, err)
		}
	}
	return list, nil
}

// chosenTogether is the first rank's choice: what fits memory, or is fast, may look otherwise
// to another.
func (k *ranks) chosenTogether(own Choice) (Choice, error) {
	if k == nil {
		return own, nil
	}
	list, err := k.exchange(message{Choice: &own})
	switch {
	case err != nil:
		return own, err
	case list[0].Choice == nil:
		return own, errors.New("rank 0 has not chosen what the others have")
	}
	return *list[0].Choice, nil
}

// alike is an error where ranks have different runs: config is what the first was given.
func (r *run) alike(ctx context.Context, config string) error {
	k := r.ranks
	if k == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(config))
	facts := []rankKey{
		{"configuration", fmt.Sprintf("%x", sum[:6])},
		{"text to train on", r.text.Train.Fingerprint()},
		{"held-out text", r.text.Heldout.Fingerprint()},
		{"step to go on from", fmt.Sprint(r.startStep())},
		{"workers", fmt.Sprint(r.dev.Workers())},
		{"device", r.dev.Name()},
	}
	list, err := k.exchange(message{Facts: facts})
	if err != nil {
		return err
	}
	for rank, m := range list {
		if len(m.Facts) != len(list[0].Facts) {
			return fmt.Errorf("rank %d is another version of this program than rank 0", rank)
		}
		for i, fact := range m.Facts {
			if first := list[0].Facts[i]; fact != first {
				return fmt.Errorf("rank %d differs from rank 0 in its %s: %s, not %s", rank, fact.Name, fact.Value, first.Value)
			}
		}
	}
	k.SetTimeout(r.c.Collective.Timeout)
	return ctx.Err()
}

// unhurried waits for the others without limit: one saves, or measures.
func (r *run) unhurried(wait func() error) error {
	if r.ranks == nil {
		return wait()
	}
	r.ranks.SetTimeout(0)
	defer r.ranks.SetTimeout(r.c.Collective.Timeout)
	return wait()
}

// awaitFirst waits for what the first rank does alone after a scoring.
func (r *run) awaitFirst() error {
	if r.ranks == nil || !r.ranks.measures || !r.scoreDue() && !r.taskStep() {
		return nil
	}
	return r.unhurried(r.ranks.Barrier)
}

// joinDevices joins the accelerators of all ranks, which sum gradients among themselves.
func (r *run) joinDevices(dev device.Accelerator) error {
	c := r.c.Collective
	switch {
	case r.ranks == nil:
		return nil
	case r.c.Optim.Shard:
		return fmt.Errorf("optim.shard is for processors, not for %s", dev.Name())
	case c.Compress != CompressNone:
		return fmt.Errorf("collective.compress (%s) is for processors, not for %s", c.Compress, dev.Name())
	}
	return dev.JoinRanks(r.ranks.Group, c.Timeout)
}

// agree begins a step: it makes the counts of a batch those of all ranks' together.
func (k *ranks) agree(ctx context.Context, b *data.Batch, err error) error {
	if k == nil {
		return err
	}
	var tokens, length float64
	if err == nil {
		tokens, length = float64(b.Tokens), float64(b.Length)
	}
	all, err := k.share(ctx, err, tokens, length)
	if err != nil {
		return err
	}
	tokens, length = 0, 0
	for _, n := range all {
		tokens, length = tokens+n[0], length+n[1]
	}
	b.Tokens, b.Length = int(tokens), int(length)
	return nil
}

// sums makes the losses of a step those of all ranks together.
func (k *ranks) sums(ctx context.Context, err error, sources *sourceLosses, loss, aside *float64) error {
	// A signal is heard at the next step's beginning.
	all, err := k.share(context.WithoutCancel(ctx), err, append([]float64{*loss, *aside}, sources.numbers()...)...)
	if err != nil {
		return err
	}
	*loss, *aside = 0, 0
	sources.reset()
	for _, n := range all {
		*loss, *aside = *loss+n[0], *aside+n[1]
		sources.addNumbers(n[2:])
	}
	return nil
}

// numbers are the sums and their tokens, as ranks tell them.
func (s *sourceLosses) numbers() (list []float64) {
	if s == nil {
		return nil
	}
	for i, sum := range s.sums {
		list = append(list, sum, float64(s.tokens[i]))
	}
	return list
}

func (s *sourceLosses) addNumbers(list []float64) {
	for i := range len(list) / 2 {
		s.sums[i] += list[2*i]
		s.tokens[i] += int64(list[2*i+1])
	}
}

// part returns the items below n that are this rank's: every size-th.
func (k *ranks) part(i int) bool { return k == nil || i%k.Size() == k.Rank() }

// together gives every rank the results of all items, of which each made its part.
func (k *ranks) together(ctx context.Context, err error, results []float64, sources *sourceLosses) error {
	if k == nil {
		return err
	}
	all, err := k.share(ctx, err, append(sources.numbers(), results...)...)
	if err != nil {
		return err
	}
	mine := len(sources.numbers())
	sources.reset()
	for rank, n := range all {
		if len(n) != mine+len(results) {
			return fmt.Errorf("rank %d scored %d numbers, this one %d", rank, len(n), mine+len(results))
		}
		sources.addNumbers(n[:mine])
		for i := range results {
			if i%k.Size() == rank {
				results[i] = n[mine+i]
			}
		}
	}
	return nil
}

// heardLater says that what one rank does by itself was broken off by a signal, which all
// ranks hear at the next step.
func (r *run) heardLater(ctx context.Context) bool { return r.ranks != nil && ctx.Err() != nil }

// leave waits until the first rank has saved: a launcher ends all when one has ended.
func (k *ranks) leave(err error) error {
	var nonFinite *NonFiniteError // which all ranks see at one step
	var spike *SpikeError
	if k == nil || err != nil && !errors.Is(err, ErrInterrupted) && !errors.Is(err, ErrTimeLimit) && !errors.As(err, &nonFinite) && !errors.As(err, &spike) {
		return err
	}
	k.SetTimeout(0)
	return errors.Join(err, k.Barrier())
}
