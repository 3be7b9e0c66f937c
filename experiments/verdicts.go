package experiments

import (
	"fmt"
	"math"
	"strings"
)

// Verdict is what a comparison says of a member.
type Verdict string

const (
	NotCompared Verdict = ""
	TooFewSeeds Verdict = "too few seeds"
	WithinNoise Verdict = "within noise"
	Better      Verdict = "better"
	Worse       Verdict = "worse"
)

// Verdict says how a member's loss compares with that of the one that it is held against.
func (r Result) Verdict() Verdict {
	switch {
	case r.Against == "":
		return NotCompared
	case math.IsNaN(r.P):
		return TooFewSeeds
	case !r.Real():
		return WithinNoise
	case r.Mean < 0:
		return Better
	}
	return Worse
}

// PaperOrder says whether the paper's order of a member and the one that it is held
// against holds here, empty where the paper does not say.
func (r Result) PaperOrder() string {
	switch v := r.Verdict(); {
	case v == NotCompared || math.IsNaN(r.PaperDifference):
		return ""
	case v == TooFewSeeds || v == WithinNoise:
		return "cannot be told"
	case r.PaperDifference == 0:
		return "equal in the paper"
	case (r.PaperDifference > 0) == (v == Better):
		return "holds"
	}
	return "does not hold"
}

// sentence is a comparison in words.
func (r Result) sentence() string {
	switch v := r.Verdict(); {
	case r.Pairs == 0:
		return fmt.Sprintf("%s and %s have no seed in common that ended with a finite loss.", r.Name, r.Against)
	case v == TooFewSeeds:
		return fmt.Sprintf("%s has a loss of %+.2f against %s with one seed, which cannot tell a difference from noise: train more seeds.", r.Name, r.Mean, r.Against)
	case v == WithinNoise:
		return fmt.Sprintf("%s is within noise of %s: %s, %d seeds%s.", r.Name, r.Against, rounded("%+.*f", r.Mean, r.SE), r.Pairs, r.paperSays())
	default:
		return fmt.Sprintf("%s is %s than %s by %s, beyond noise, %d seeds%s.", r.Name, v, r.Against, rounded("%.*f", math.Abs(r.Mean), r.SE), r.Pairs, r.paperSays())
	}
}

func (r Result) paperSays() string {
	order := r.PaperOrder()
	if order == "" {
		return ""
	}
	return fmt.Sprintf("; in the paper %+.1f points: %s", r.PaperDifference, order)
}

// rounded writes a mean to the first digit of its error, at least to hundredths.
func rounded(format string, mean, se float64) string {
	digits := 4
	if se > 0 {
		digits = min(max(2, -int(math.Floor(math.Log10(se)))), 6)
	}
	return fmt.Sprintf(format+" ± %.*f", digits, mean, digits, se)
}

// verdicts has a sentence for each comparison.
func (r *Report) verdicts() (sentences []string) {
	for _, g := range r.Groups {
		in := ""
		if len(r.Groups) > 1 && g.Name != "" {
			in = g.Name + ": "
		}
		for _, m := range g.Results {
			if m.Against != "" {
				sentences = append(sentences, in+m.sentence())
			}
		}
	}
	return sentences
}

// likeSize is the share by which numbers of parameters may differ without a word.
const likeSize = 0.02

// sizes names the members whose parameters differ from those that they are held against.
func (g *Group) sizes() string {
	var differ []string
	for _, m := range g.Results {
		a := g.result(m.Against)
		if a == nil {
			continue
		}
		if more := float64(m.Parameters)/float64(a.Parameters) - 1; math.Abs(more) > likeSize {
			differ = append(differ, fmt.Sprintf("%s has %+.1f %% against %s", m.Name, 100*more, a.Name))
		}
	}
	if len(differ) == 0 {
		return ""
	}
	return "Parameters differ, so that a part of the difference may be one of size: " + strings.Join(differ, "; ") + "."
}
