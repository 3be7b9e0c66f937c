package train

import (
	"fmt"
	"slices"
	"strings"

	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/jsonfloat"
)

// tellsSources reports whether a step tells the loss of each source: of a mixture, by the
// log-probabilities of its tokens. A loss with a teacher has none; an accelerator works
// behind the host, which does not wait for them.
func (c *RunConfig) tellsSources(dev engine.Device, l *lesson) bool {
	if plan, ok := dev.(planDevice); ok {
		dev = plan.Device
	}
	_, away := dev.(device.Accelerator)
	return c.Data.MeasuresSources() && l == nil && !away
}

// sourceLosses adds up the losses of a mixture's sources. It is nil where they are not
// told apart.
type sourceLosses struct {
	names  []string
	sums   []float64 // nats
	tokens []int64   // supervised
	logp   []float32 // of a micro-batch
}

func newSourceLosses(names []string, p *program) *sourceLosses {
	if len(names) == 0 || p == nil || p.graph.LogProbs == nil {
		return nil
	}
	return &sourceLosses{names: names, sums: make([]float64, len(names)), tokens: make([]int64, len(names))}
}

// reset begins to add up anew.
func (s *sourceLosses) reset() {
	if s != nil {
		clear(s.sums)
		clear(s.tokens)
	}
}

// add adds the tokens of the micro-batch that the program has just run: rows first,
// first+1, … of a batch.
func (s *sourceLosses) add(p *program, b *data.Batch, first int) error {
	if s == nil || b.Sources == nil {
		return nil
	}
	t := p.vm.Output(p.graph.LogProbs)
	s.logp = slices.Grow(s.logp[:0], t.Len())[:t.Len()]
	if err := engine.Read(t, s.logp); err != nil {
		return err
	}
	at := first * p.seq
	for i, logp := range s.logp {
		if b.Targets[at+i] != data.Ignored {
			s.sums[b.Sources[at+i]] -= float64(logp)
			s.tokens[b.Sources[at+i]]++
		}
	}
	return nil
}

// SourceLosses are mean losses in nats per token by the name of a source, as data.train or
// data.heldout has it.
type SourceLosses map[string]jsonfloat.Float

// losses are those of the sources that had tokens; two of one name are one.
func (s *sourceLosses) losses() SourceLosses {
	if s == nil {
		return nil
	}
	sums, tokens := map[string]float64{}, map[string]int64{}
	for i, name := range s.names {
		if s.tokens[i] > 0 {
			sums[name] += s.sums[i]
			tokens[name] += s.tokens[i]
		}
	}
	all := SourceLosses{}
	for name, n := range tokens {
		all[name] = jsonfloat.Float(sums[name] / float64(n))
	}
	return all
}

// Names are the sources, in order.
func (s SourceLosses) Names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s SourceLosses) String() string {
	var words []string
	for _, name := range s.Names() {
		words = append(words, fmt.Sprintf("%s %.4f", name, s[name]))
	}
	return strings.Join(words, ", ")
}
