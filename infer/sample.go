package infer

import (
	"cmp"
	"math"
	"slices"
)

// next draws a token from softmax(logits / temperature), cut to the likeliest k
// and then to the likeliest of total probability p.
func (s *sampler) next(logits []float32) int32 {
	if s.o.Temperature == 0 {
		return likeliest(logits)
	}
	c := s.candidates[:0]
	for id, x := range logits {
		c = append(c, candidate{int32(id), float64(x) / s.o.Temperature})
	}
	s.candidates = c
	if s.o.TopK > 0 || s.o.TopP > 0 && s.o.TopP < 1 {
		slices.SortFunc(c, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.id, b.id)) })
	}
	if s.o.TopK > 0 {
		c = c[:min(s.o.TopK, len(c))]
	}
	total := exponentials(c)
	if s.o.TopP > 0 && s.o.TopP < 1 {
		c, total = nucleus(c, s.o.TopP*total)
	}
	return draw(c, s.rng.Float64()*total)
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

// exponentials turns logits into weights of the softmax and returns their sum.
func exponentials(c []candidate) float64 {
	most := math.Inf(-1)
	for _, x := range c {
		most = max(most, x.value)
	}
	var total float64
	for i := range c {
		c[i].value = math.Exp(c[i].value - most)
		total += c[i].value
	}
	return total
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

// draw takes the candidate at a place between 0 and the sum of all weights.
func draw(c []candidate, at float64) int32 {
	for _, x := range c {
		if at -= x.value; at < 0 {
			return x.id
		}
	}
	return c[len(c)-1].id // rounding
}
