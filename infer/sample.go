package infer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"mobilellm/infer/grammar"
)

// Options shape a continuation.
type Options struct {
	MaxTokens   int
	Temperature float64 // divides the logits; 0 always takes the likeliest token
	TopK        int     // only so many of the likeliest tokens are drawn from; 0 for all
	TopP        float64 // only the likeliest that together have this probability; 0 and 1 for all
	MinP        float64 // only tokens of at least this share of the likeliest's probability; 0 for all
	// RepeatPenalty divides positive logits, and multiplies negative ones, of the tokens
	// among the last RepeatLast (Keskar et al., 2019); 0 and 1 change nothing.
	RepeatPenalty float64
	RepeatLast    int // 0 for 64
	// FrequencyPenalty is subtracted from the logit of a token for each time that it was
	// drawn, PresencePenalty once.
	FrequencyPenalty, PresencePenalty float64
	Seed                              uint64
	// LogProbs is the number of likeliest tokens whose log-probabilities are given with
	// each token drawn; they are the model's own, before temperature and penalties.
	LogProbs int
	// Slide lets a text go on beyond the context: its oldest half is then forgotten, but
	// for what opened it. Otherwise it ends there.
	Slide bool
	// Grammar is what the text must fit, of [Model.Vocabulary]: tokens that do not go on
	// with it are not drawn, and the text ends where nothing can follow. Nil for any text.
	Grammar *grammar.Grammar
}

// SetTopP takes a probability as llama.cpp and transformers do: 1 is for all tokens, 0 for
// the likeliest alone.
func (o *Options) SetTopP(p float64) {
	if o.TopP = p; p == 0 {
		o.TopP = math.SmallestNonzeroFloat64
	}
}

// Validate reports the options that are out of range.
func (o Options) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	share := func(x float64) bool { return x >= 0 && x <= 1 }
	finite := func(x float64) bool { return x-x == 0 }
	wrong(o.MaxTokens < 1, "max-tokens (%d) must be at least 1", o.MaxTokens)
	wrong(!(o.Temperature >= 0) || math.IsInf(o.Temperature, 0), "temperature (%g) must be 0 or a positive number", o.Temperature)
	wrong(o.TopK < 0, "top-k (%d) must not be negative", o.TopK)
	wrong(!share(o.TopP), "top-p (%g) must lie between 0 and 1", o.TopP)
	wrong(!share(o.MinP), "min-p (%g) must lie between 0 and 1", o.MinP)
	wrong(!(o.RepeatPenalty >= 0) || !finite(o.RepeatPenalty), "repeat-penalty (%g) must be a positive number", o.RepeatPenalty)
	wrong(o.RepeatLast < 0, "repeat-last (%d) must not be negative", o.RepeatLast)
	wrong(!finite(o.FrequencyPenalty), "frequency-penalty (%g) must be a number", o.FrequencyPenalty)
	wrong(!finite(o.PresencePenalty), "presence-penalty (%g) must be a number", o.PresencePenalty)
	wrong(o.LogProbs < 0, "logprobs (%d) must not be negative", o.LogProbs)
	return errors.Join(errs...)
}

// repeatLast is RepeatLast's value where it is left 0.
const repeatLast = 64

// Candidate is a token and its log-probability.
type Candidate struct {
	ID      int32
	LogProb float64
}

// Token is a token that was drawn, or of a prompt, with what the model thought of it.
type Token struct {
	Candidate
	Top  []Candidate // the likeliest in its place, where LogProbs asks for them
	Ends bool        // the text, of which it is no part
}

// sampler draws tokens.
type sampler struct {
	o          Options
	rng        *rand.Rand
	candidates []candidate
	logits     []float32     // with penalties, and without what the grammar does not allow
	drawn      map[int32]int // how often
	matcher    *grammar.Matcher
}

type candidate struct {
	id    int32
	value float64 // logit over temperature, then weight
}

func newSampler(o Options) *sampler {
	s := &sampler{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0)), drawn: map[int32]int{}}
	if o.Grammar != nil {
		s.matcher = o.Grammar.Begin()
	}
	return s
}

// ErrNoToken says that a vocabulary has no token that goes on with what a grammar wants.
var ErrNoToken = errors.New("no token of the vocabulary goes on with the grammar")

// next draws the token that follows tokens.
func (s *sampler) next(logits []float32, tokens []int32) (int32, error) {
	logits = s.penalized(logits, tokens)
	if s.matcher != nil {
		var ok bool
		if logits, ok = s.masked(logits); !ok {
			return 0, ErrNoToken
		}
	}
	id := s.draw(logits)
	if s.o.FrequencyPenalty != 0 || s.o.PresencePenalty != 0 {
		s.drawn[id]++
	}
	return id, nil
}

// masked are the logits of the tokens that the grammar allows, and −∞ elsewhere; false
// where there is none.
func (s *sampler) masked(logits []float32) ([]float32, bool) {
	out, some := append(s.logits[:0], logits...), false
	mask := s.matcher.Mask()
	for id := range out {
		if id/64 < len(mask) && mask[id/64]>>(id%64)&1 != 0 {
			some = true
		} else {
			out[id] = float32(math.Inf(-1))
		}
	}
	s.logits = out
	return out, some
}

// accept goes on with a token of the text, and reports whether nothing may follow.
func (s *sampler) accept(id int32) (final bool, err error) {
	if s.matcher == nil {
		return false, nil
	}
	err = s.matcher.Accept(id)
	return s.matcher.Final(), err
}

// penalized are the logits less what repetition costs.
func (s *sampler) penalized(logits []float32, tokens []int32) []float32 {
	repeats := s.o.RepeatPenalty != 0 && s.o.RepeatPenalty != 1
	if !repeats && len(s.drawn) == 0 {
		return logits
	}
	s.logits = append(s.logits[:0], logits...)
	if repeats {
		recent := slices.Clone(tokens[max(0, len(tokens)-cmp.Or(s.o.RepeatLast, repeatLast)):])
		slices.Sort(recent)
		for _, id := range slices.Compact(recent) {
			if int(id) >= len(s.logits) {
				continue
			}
			if x := &s.logits[id]; *x > 0 {
				*x /= float32(s.o.RepeatPenalty)
			} else {
				*x *= float32(s.o.RepeatPenalty)
			}
		}
	}
	for id, n := range s.drawn {
		s.logits[id] -= float32(float64(n)*s.o.FrequencyPenalty + s.o.PresencePenalty)
	}
	return s.logits
}

// few is the weight, of the likeliest token's, below which tokens are looked at only
// where those above do not do.
const few = 1e-5

// draw takes a token from softmax(logits / temperature), cut to the likeliest k, then to
// the likeliest of total probability p, then to those of a share of the likeliest's.
func (s *sampler) draw(logits []float32) int32 {
	if s.o.Temperature == 0 {
		return likeliest(logits)
	}
	best := float64(logits[likeliest(logits)])
	var total float64
	c := s.candidates[:0]
	for id, x := range logits {
		if math.IsInf(float64(x), -1) { // not allowed, whatever is rounded
			continue
		}
		w := math.Exp((float64(x) - best) / s.o.Temperature)
		c = append(c, candidate{int32(id), w})
		total += w
	}
	s.candidates = c
	cut := s.o.TopP > 0 && s.o.TopP < 1
	if s.o.TopK > 0 || cut {
		c, total = s.likeliest(c, total)
	}
	if cut {
		c, total = nucleus(c, s.o.TopP*total)
	}
	if s.o.MinP > 0 {
		c, total = atLeast(c, s.o.MinP)
	}
	return pick(c, s.rng.Float64()*total)
}

// likeliest sorts c, as far as it is drawn from, and cuts it to the likeliest k. Most
// of a vocabulary has next to no weight: it is not sorted where it is not wanted.
func (s *sampler) likeliest(c []candidate, total float64) ([]candidate, float64) {
	heavy := 0
	var weight float64
	for i := range c {
		if c[i].value >= few {
			c[heavy], c[i] = c[i], c[heavy]
			weight += c[heavy].value
			heavy++
		}
	}
	if k := s.o.TopK; k > 0 && heavy >= k || k == 0 && weight >= s.o.TopP*total {
		c = c[:heavy]
	}
	slices.SortFunc(c, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.id, b.id)) })
	if s.o.TopK == 0 {
		return c, total
	}
	c, total = c[:min(s.o.TopK, len(c))], 0
	for _, x := range c {
		total += x.value
	}
	return c, total
}

func likeliest(logits []float32) int32 {
	best := 0
	for id, x := range logits {
		if x > logits[best] {
			best = id
		}
	}
	return int32(best)
}

// nucleus keeps the first of c, which is sorted, whose weights reach enough.
func nucleus(c []candidate, enough float64) (kept []candidate, total float64) {
	for i, x := range c {
		total += x.value
		if total >= enough {
			return c[:i+1], total
		}
	}
	return c, total
}

// atLeast keeps candidates of a share of the likeliest's weight, which is 1.
func atLeast(c []candidate, share float64) (kept []candidate, total float64) {
	for _, x := range c {
		if x.value >= share {
			kept, total = append(kept, x), total+x.value
		}
	}
	return kept, total
}

// pick takes the candidate at a place between 0 and the sum of all weights.
func pick(c []candidate, at float64) int32 {
	for _, x := range c {
		if at -= x.value; at < 0 {
			return x.id
		}
	}
	return c[len(c)-1].id // rounding
}

// logSumExp is log Σ exp(logits).
func logSumExp(logits []float32) float64 {
	best := float64(logits[likeliest(logits)])
	var total float64
	for _, x := range logits {
		total += math.Exp(float64(x) - best)
	}
	return best + math.Log(total)
}

// judged is a token with its log-probability and those of the n likeliest.
func judged(id int32, logits []float32, n int) Token {
	lse := logSumExp(logits)
	t := Token{Candidate: Candidate{id, float64(logits[id]) - lse}}
	if n = min(n, len(logits)); n == 0 {
		return t
	}
	order := func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.LogProb, a.LogProb), cmp.Compare(a.ID, b.ID))
	}
	for id, x := range logits {
		c := Candidate{int32(id), float64(x) - lse}
		if len(t.Top) == n && order(c, t.Top[n-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(t.Top, c, order)
		t.Top = slices.Insert(t.Top, at, c)[:min(n, len(t.Top)+1)]
	}
	return t
}
