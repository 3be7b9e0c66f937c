package data

import (
	"fmt"
	"sort"
)

// mixture draws samples from the parts of a corpus in given shares, which may
// change after so many tokens. Which part and which of its windows the sample
// number g of a run is, is a pure function of the seed and g.
//
// Samples come in periods: in each, every part has a fixed number of places
// according to its share, in an order that a keyed permutation shuffles. The
// samples of a part follow each other in its own order, from period to period
// and stage to stage, so that none is left out or comes twice in an epoch.
type mixture struct {
	parts  []part
	stages []Stage // the first from token 0 on
}

// part is a range of tokens of a corpus.
type part struct {
	name     string
	from, to int64
}

// period is the number of samples in which each part has its exact share, as
// near as whole samples allow.
const period = 1 << 14

// Stage is a mixture that holds from a number of tokens on.
type Stage struct {
	AfterTokens int64     `yaml:"after_tokens" help:"Tokens of training after which these weights hold."`
	Weights     []float64 `yaml:"weights" help:"Each source's share of the samples, in the order of data.train."`
}

func (s Stage) String() string { return fmt.Sprintf("%v after %d tokens", s.Weights, s.AfterTokens) }

// mixedSampler is a mixture for one length of sample and one seed. It keeps the
// places of one period, so that it serves one goroutine.
type mixedSampler struct {
	parts    []part
	samplers []windows // nil for a part that no stage uses
	stages   []mixedStage
	seed     uint64

	table places
}

// places are the samples of one period: whose each is, and the how manieth of
// that part in the period.
type places struct {
	stage  int
	number int64 // of the period in its stage
	part   [period]int32
	rank   [period]int32
}

type mixedStage struct {
	first int64   // its first sample's number
	ends  []int64 // of each part's places in a period
	begun []int64 // samples that each part has given before
}

// newMixedSampler prepares a mixture; open gives a part's windows for its own
// seed.
func newMixedSampler(m *mixture, seq int, seed uint64, open func(part, uint64) (windows, error)) (*mixedSampler, error) {
	s := &mixedSampler{parts: m.parts, seed: seed, table: places{stage: -1}}
	used := make([]bool, len(m.parts))
	for _, stage := range m.stages {
		for i, w := range stage.Weights {
			used[i] = used[i] || w > 0
		}
	}
	for i, p := range m.parts {
		if !used[i] {
			s.samplers = append(s.samplers, nil)
			continue
		}
		sampler, err := openPart(i, p, seed, open)
		if err != nil {
			return nil, err
		}
		s.samplers = append(s.samplers, sampler)
	}
	begun := make([]int64, len(m.parts))
	for i, stage := range m.stages {
		next := mixedStage{first: ceilDiv(stage.AfterTokens, int64(seq)), ends: divide(stage.Weights), begun: begun}
		if i > 0 {
			next.begun = s.given(next.first)
		}
		s.stages = append(s.stages, next)
	}
	return s, nil
}

// openPart opens the windows of part i for its own seed.
func openPart(i int, p part, seed uint64, open func(part, uint64) (windows, error)) (windows, error) {
	w, err := open(p, mix(seed+uint64(i)*0x9e3779b97f4a7c15))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return w, nil
}

// own is the same order for another goroutine.
func (s *mixedSampler) own() order {
	other := *s
	other.table = places{stage: -1}
	return &other
}

// divide divides a period by largest remainders and returns where each part's
// places end. A part with a share has one place at least.
func divide(weights []float64) []int64 {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	ends := make([]int64, len(weights))
	cumulated, last, left := 0.0, int64(0), int64(0)
	for _, w := range weights {
		if w > 0 {
			left++
		}
	}
	for i, w := range weights {
		cumulated += w
		if w > 0 {
			left--
			last = min(max(int64(cumulated/sum*period+0.5), last+1), period-left)
		}
		ends[i] = last
	}
	return ends
}

// stage is the number of the stage of sample g.
func (s *mixedSampler) stage(g int64) int {
	return sort.Search(len(s.stages), func(i int) bool { return s.stages[i].first > g }) - 1
}

// period returns the places of a period of a stage.
func (s *mixedSampler) period(stage int, number int64) *places {
	t := &s.table
	if t.stage == stage && t.number == number {
		return t
	}
	t.stage, t.number = stage, number
	order := newPermutation(period, mix(mix(mix(s.seed^0x6d69787475726573)+uint64(stage))+uint64(number)))
	counts := make([]int32, len(s.parts))
	for i := range t.part {
		which := s.stages[stage].part(int64(order.at(uint64(i))))
		t.part[i], t.rank[i] = int32(which), counts[which]
		counts[which]++
	}
	return t
}

// given counts the samples of each part before sample g.
func (s *mixedSampler) given(g int64) []int64 {
	number := s.stage(g)
	stage := s.stages[number]
	counts := append([]int64(nil), stage.begun...)
	since := g - stage.first
	for i := range counts {
		counts[i] += since / period * stage.size(i)
	}
	for _, which := range s.period(number, since/period).part[:since%period] {
		counts[which]++
	}
	return counts
}

func (m *mixedStage) size(i int) int64 {
	if i == 0 {
		return m.ends[0]
	}
	return m.ends[i] - m.ends[i-1]
}

// part is whose place in a period it is.
func (m *mixedStage) part(place int64) int {
	return sort.Search(len(m.ends), func(i int) bool { return m.ends[i] > place })
}

// span returns where sample g lies.
func (s *mixedSampler) span(g int64) span {
	number := s.stage(g)
	stage := &s.stages[number]
	since := g - stage.first
	table := s.period(number, since/period)
	which := table.part[since%period]
	index := stage.begun[which] + since/period*stage.size(int(which)) + int64(table.rank[since%period])
	epoch, start, n := s.samplers[which].Sample(index)
	p := s.parts[which]
	return span{epoch: epoch, start: p.from + start, n: n, low: p.from, high: p.to, part: int(which)}
}
