package optim

import (
	"fmt"
	"math"
)

// Schedule gives the learning rate of each step of a run.
type Schedule interface {
	// LR is the learning rate of a step; steps count from 0. Steps past the
	// end of the run keep the last one's rate.
	LR(step int) float64
}

// NewSchedule builds the schedule that c names for a run of the given number
// of steps.
//
// Every schedule begins with the warm-up: step s < warmup_steps has
// lr·(s+1)/warmup_steps, so step warmup_steps−1 is the first at the peak. From
// there cosine and linear fall to min_lr_ratio·lr, which the last step has;
// constant stays; wsd stays and falls linearly over its last decay_steps (Hu
// et al., MiniCPM, 2024).
//
// A warm-up longer than the run would keep it from ever reaching its peak. It
// is shortened to a tenth of the run, and warning says so; likewise a decay
// that leaves no room for the warm-up. The warning is empty when nothing was
// changed.
func NewSchedule(c Config, steps int) (schedule Schedule, warning string, err error) {
	if err := c.Validate(); err != nil {
		return nil, "", err
	}
	if steps < 1 {
		return nil, "", fmt.Errorf("optim: a schedule over %d steps: a run has at least one step", steps)
	}

	warm := c.WarmupSteps
	if warm > steps {
		warm = max(1, steps/10)
		warning = fmt.Sprintf("optim.warmup_steps (%d) is longer than the run (%s); shortened to %d", c.WarmupSteps, plural(steps), warm)
	}
	w := warmup{peak: c.LR, steps: warm}
	first, last := max(warm-1, 0), steps-1
	floor := c.LR * c.MinLRRatio

	switch c.Schedule {
	case ScheduleCosine:
		return cosine{w, decline{first, last}, floor}, warning, nil
	case ScheduleLinear:
		return linear{w, decline{first, last}, floor}, warning, nil
	case ScheduleConstant:
		return constant{w}, warning, nil
	case ScheduleWSD:
		decay := c.DecaySteps
		if decay == 0 {
			decay = int(math.Round(c.DecayFraction * float64(steps)))
		}
		if room := last - first; decay > room {
			note := fmt.Sprintf("the decay of optim.schedule wsd (%s) does not fit the run (%s, %d of them warm-up); shortened to %d",
				plural(decay), plural(steps), warm, room)
			if warning != "" {
				warning += "; "
			}
			warning += note
			decay = room
		}
		return linear{w, decline{last - decay, last}, floor}, warning, nil
	}
	panic("optim: Validate let an unknown schedule pass: " + c.Schedule)
}

func plural(steps int) string {
	if steps == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", steps)
}

// warmup is the linear rise that every schedule begins with.
type warmup struct {
	peak  float64
	steps int
}

// rising returns the rate of a step and true while the warm-up lasts.
func (w warmup) rising(step int) (float64, bool) {
	if step >= w.steps {
		return 0, false
	}
	return w.peak * float64(max(step, 0)+1) / float64(w.steps), true
}

// decline measures how far a step is from the last one at the peak (0) to the
// last of the run (1).
type decline struct{ first, last int }

func (d decline) progress(step int) float64 {
	switch {
	case step <= d.first:
		return 0
	case step >= d.last:
		return 1
	}
	return float64(step-d.first) / float64(d.last-d.first)
}

// cosine follows half a period of a cosine from peak to floor (Loshchilov and
// Hutter, SGDR, 2017, without restarts).
type cosine struct {
	warmup
	decline
	floor float64
}

func (s cosine) LR(step int) float64 {
	if lr, ok := s.rising(step); ok {
		return lr
	}
	return s.floor + (s.peak-s.floor)*0.5*(1+math.Cos(math.Pi*s.progress(step)))
}

// linear falls on a straight line from peak to floor. The wsd schedule is the
// same with a decline that begins late.
type linear struct {
	warmup
	decline
	floor float64
}

func (s linear) LR(step int) float64 {
	if lr, ok := s.rising(step); ok {
		return lr
	}
	return s.peak + (s.floor-s.peak)*s.progress(step)
}

type constant struct{ warmup }

func (s constant) LR(step int) float64 {
	if lr, ok := s.rising(step); ok {
		return lr
	}
	return s.peak
}
