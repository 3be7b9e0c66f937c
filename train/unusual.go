package train

import (
	"fmt"
	"math"
)

// habits know what a run's numbers usually are, to say what stands out. They begin anew
// with each start of the run.
type habits struct {
	loss, norm, speed habit
	said              string
	until             int64 // step
}

const (
	habitSteps = 50  // that a mean is over, and before which nothing is unusual
	farOff     = 6.0 // standard deviations
	longWait   = 0.1 // share of a step
	slow       = 0.5 // of the usual speed
	told       = 20  // steps that something is told for
)

// habit is the running mean of a number and of its square's deviation.
type habit struct {
	n              int
	mean, variance float64
}

func (h *habit) add(x float64) {
	h.n++
	rate := 1 / float64(min(h.n, habitSteps))
	d := x - h.mean
	h.mean += rate * d
	h.variance = (1 - rate) * (h.variance + rate*d*d)
}

// above is by how many standard deviations x is above the mean; 0 where that is not known.
func (h *habit) above(x float64) float64 {
	if h.n < habitSteps || h.variance == 0 {
		return 0
	}
	return (x - h.mean) / math.Sqrt(h.variance)
}

// unusual takes a step and says what stands out of it or of those just before.
func (h *habits) unusual(s StepRecord) string {
	text := ""
	switch {
	case h.norm.above(s.GradNorm) > farOff:
		text = fmt.Sprintf("gradient norm %.3g, usually %.3g", s.GradNorm, h.norm.mean)
	case h.loss.above(s.Loss) > farOff:
		text = fmt.Sprintf("loss %.4f, usually %.4f", s.Loss, h.loss.mean)
	case s.DataWait > longWait && h.loss.n >= habitSteps:
		text = fmt.Sprintf("waited for data %.0f %%", 100*s.DataWait)
	case h.speed.n >= habitSteps && s.TokensPerSecond < slow*h.speed.mean:
		text = fmt.Sprintf("%s tokens/s, usually %s", count(s.TokensPerSecond), count(h.speed.mean))
	}
	h.norm.add(s.GradNorm)
	h.loss.add(s.Loss)
	h.speed.add(s.TokensPerSecond)
	if text != "" {
		h.said, h.until = fmt.Sprintf("step %d: %s", s.Step, text), s.Step+told
	}
	if s.Step >= h.until {
		return ""
	}
	return h.said
}
