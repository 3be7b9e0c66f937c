package data

import (
	"slices"
	"testing"
)

func TestPermutation(t *testing.T) {
	for n := uint64(1); n < 300; n++ {
		for key := range uint64(3) {
			p := newPermutation(n, key)
			seen := make([]bool, n)
			for i := range n {
				to := p.at(i)
				if to >= n || seen[to] {
					t.Fatalf("n %d, key %d: %d goes to %d", n, key, i, to)
				}
				seen[to] = true
			}
		}
	}
}

// Neighbours must come apart, and another key must give another order.
func TestPermutationMixes(t *testing.T) {
	const n = 10_000
	a, b := newPermutation(n, 1), newPermutation(n, 2)
	fixed, near, same := 0, 0, 0
	var mean float64
	for i := range uint64(n) {
		to := a.at(i)
		if to == i {
			fixed++
		}
		if d := int64(to) - int64(a.at((i+1)%n)); d >= -1 && d <= 1 {
			near++
		}
		if to == b.at(i) {
			same++
		}
		if i < n/2 {
			mean += float64(to) / (n / 2)
		}
	}
	// Of a random permutation 1, 2 and 1 are expected.
	if fixed > 10 || near > 14 || same > 10 || mean < 0.48*n || mean > 0.52*n {
		t.Errorf("%d fixed points, %d close neighbours, %d equal under another key, first half's mean %.0f", fixed, near, same, mean)
	}
}

func TestSamplerVisitsEveryWindowOnce(t *testing.T) {
	for _, c := range []struct {
		tokens int64
		seq    int
	}{{101, 10}, {1000, 7}, {11, 10}, {12, 10}, {64, 1}, {5000, 64}} {
		s, err := NewSampler(c.tokens, c.seq, 42)
		if err != nil {
			t.Fatal(err)
		}
		if want := (c.tokens - 1) / int64(c.seq); s.Windows() != want {
			t.Fatalf("%d windows, want %d", s.Windows(), want)
		}
		for epoch := range int64(4) {
			inputs := make([]bool, c.tokens)
			for i := range s.Windows() {
				start := s.Start(epoch, i)
				if (start-s.Phase(epoch)+c.tokens)%c.tokens%int64(c.seq) != 0 {
					t.Fatalf("epoch %d: window at %d is off the phase %d", epoch, start, s.Phase(epoch))
				}
				for j := range int64(c.seq) {
					at := (start + j) % c.tokens
					if inputs[at] {
						t.Fatalf("%+v epoch %d: token %d is an input twice", c, epoch, at)
					}
					inputs[at] = true
				}
			}
		}
	}
}

func TestSamplerEpochsDiffer(t *testing.T) {
	s, err := NewSampler(10_000, 50, 1)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSampler(10_000, 50, 2)
	if err != nil {
		t.Fatal(err)
	}
	var phases []int64
	same := 0
	for epoch := range int64(8) {
		phases = append(phases, s.Phase(epoch))
		for i := range s.Windows() {
			if s.Start(epoch, i) == other.Start(epoch, i) {
				same++
			}
		}
	}
	slices.Sort(phases)
	if phases[0] != 0 || len(slices.Compact(phases)) < 6 {
		t.Errorf("phases %v", phases)
	}
	if same > 40 {
		t.Errorf("%d of %d samples are the same under another seed", same, 8*s.Windows())
	}
}

// The global batch is the same however many processes share it.
func TestSampleRanks(t *testing.T) {
	s, err := NewSampler(1000, 10, 9)
	if err != nil {
		t.Fatal(err)
	}
	for step := range int64(40) { // 480 samples: beyond the fourth epoch
		var one []int64
		for row := range 12 {
			epoch, start, n := s.Sample(LoaderConfig{Batch: 12, Ranks: 1}.sample(step, row))
			if want := (step*12 + int64(row)) / 99; epoch != want || n != 11 {
				t.Fatalf("step %d, row %d: epoch %d, %d tokens, want %d and 11", step, row, epoch, n, want)
			}
			one = append(one, start)
		}
		for _, ranks := range []int{2, 3, 4} {
			var many []int64
			for rank := range ranks {
				for row := range 12 / ranks {
					_, start, _ := s.Sample(LoaderConfig{Batch: 12 / ranks, Rank: rank, Ranks: ranks}.sample(step, row))
					many = append(many, start)
				}
			}
			if !slices.Equal(one, many) {
				t.Fatalf("step %d: %v on one process, %v on %d", step, one, many, ranks)
			}
		}
	}
}

// The order is part of every run's meaning: a change of it is a change of
// all results and must not happen unnoticed. The numbers are those of
// testdata/sampler.py.
func TestSampleOrderIsFixed(t *testing.T) {
	s, err := NewSampler(100_001, 100, 1234)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for step := range int64(3) {
		for row := range 2 {
			_, start, _ := s.Sample(step*800 + int64(row))
			got = append(got, start)
		}
	}
	if want := []int64{84200, 28500, 85000, 5100, 20742, 69142}; !slices.Equal(got, want) {
		t.Errorf("samples %v, want %v", got, want)
	}
}

func TestSamplerErrors(t *testing.T) {
	_, err := NewSampler(37, 2048, 0)
	wantError(t, "short", err, "the corpus holds 37 tokens", "data.seq 2048 needs 2049", "hint: ")
	_, err = NewSampler(37, 0, 0)
	wantError(t, "seq", err, "data.seq (0)")
}
