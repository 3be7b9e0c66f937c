package eval

import (
	"math"
	"unicode/utf8"
)

// Measures of choices. A choice is taken for its log-likelihood, divided or reduced as
// the measure says; of equal ones the first.
var (
	// Acc ranks by the sum of the log-probabilities.
	Acc = accuracy("acc", func(_ Request, s Score) float64 { return s.LogProb })
	// AccNorm ranks by log-probability per character of the choice, which is what LLaMA
	// does too.
	AccNorm = accuracy("acc_norm", func(r Request, s Score) float64 {
		return s.LogProb / float64(utf8.RuneCountInString(r.Choice))
	})
	// AccPrior ranks by log p(choice|context) − log p(choice|Request.Prior) (Brown et al.,
	// 2020, section 2.4; Touvron et al., 2023, section 3).
	AccPrior = accuracy("acc_prior", func(_ Request, s Score) float64 { return s.LogProb - s.Prior })
)

func accuracy(name string, rank func(Request, Score) float64) Measure {
	return Measure{Name: name, Item: func(item Item, a Answer) float64 {
		best, at := math.Inf(-1), 0
		for i, s := range a.Scores {
			if v := rank(item.Requests[i], s); v > best {
				best, at = v, i
			}
		}
		return indicator(at == item.Gold)
	}}
}

// Measures of one continuation.
var (
	// AccGreedy is 1 where every token of the continuation is the likeliest.
	AccGreedy = Measure{Name: "acc", Item: func(_ Item, a Answer) float64 { return indicator(a.Scores[0].Greedy) }}
	// Perplexity is exp of minus the mean log-probability of a continuation.
	Perplexity = Measure{Name: "perplexity", Lower: true, Total: func(items []Item, answers []Answer) float64 {
		return math.Exp(-logProb(answers) / float64(len(items)))
	}}
)

// Measures of whole texts, together.
var (
	// WordPerplexity is per word of the original texts.
	WordPerplexity = Measure{Name: "word_perplexity", Lower: true, Total: func(items []Item, answers []Answer) float64 {
		return math.Exp(-logProb(answers) / wordCount(items))
	}}
	// BytePerplexity is per byte of the original texts.
	BytePerplexity = Measure{Name: "byte_perplexity", Lower: true, Total: func(items []Item, answers []Answer) float64 {
		return math.Exp(-logProb(answers) / byteCount(items))
	}}
	// BitsPerByte is the binary logarithm of BytePerplexity.
	BitsPerByte = Measure{Name: "bits_per_byte", Lower: true, Total: func(items []Item, answers []Answer) float64 {
		return -logProb(answers) / byteCount(items) / math.Ln2
	}}
	// Loss is the mean negative log-probability of a predicted token, in nats.
	Loss = Measure{Name: "loss", Lower: true, Total: func(_ []Item, answers []Answer) float64 {
		return -logProb(answers) / tokens(answers)
	}}
	// TokenPerplexity is per predicted token.
	TokenPerplexity = Measure{Name: "perplexity", Lower: true, Total: func(_ []Item, answers []Answer) float64 {
		return math.Exp(-logProb(answers) / tokens(answers))
	}}
)

func tokens(answers []Answer) float64 {
	n := 0
	for _, a := range answers {
		for _, s := range a.Scores {
			n += s.Tokens
		}
	}
	return float64(n)
}

func logProb(answers []Answer) float64 {
	sum := 0.0
	for _, a := range answers {
		for _, s := range a.Scores {
			sum += s.LogProb
		}
	}
	return sum
}

func wordCount(items []Item) float64 {
	n := 0
	for _, item := range items {
		n += item.Words
	}
	return float64(n)
}

func byteCount(items []Item) float64 {
	n := 0
	for _, item := range items {
		n += item.Bytes
	}
	return float64(n)
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
