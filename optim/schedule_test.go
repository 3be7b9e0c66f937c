package optim

import (
	"math"
	"testing"
)

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*Config)
		steps   int
		want    map[int]float64 // step → share of the peak
		warning string
	}{
		{
			name:  "cosine",
			steps: 101, change: func(c *Config) { c.WarmupSteps = 11 },
			want: map[int]float64{0: 1. / 11, 5: 6. / 11, 10: 1, 55: 0.55, 100: 0.1, 1000: 0.1},
		},
		{
			name:  "cosine without warm-up",
			steps: 101, change: func(c *Config) { c.WarmupSteps = 0 },
			want: map[int]float64{0: 1, 50: 0.55, 100: 0.1},
		},
		{
			name:  "linear",
			steps: 21, change: func(c *Config) { c.WarmupSteps, c.Schedule, c.MinLRRatio = 1, ScheduleLinear, 0 },
			want: map[int]float64{0: 1, 5: 0.75, 10: 0.5, 20: 0, 21: 0},
		},
		{
			name:  "constant",
			steps: 20, change: func(c *Config) { c.WarmupSteps, c.Schedule = 4, ScheduleConstant },
			want: map[int]float64{0: 0.25, 3: 1, 4: 1, 19: 1, 100: 1},
		},
		{
			name:  "wsd by fraction",
			steps: 100, change: func(c *Config) { c.WarmupSteps, c.Schedule, c.DecayFraction = 10, ScheduleWSD, 0.2 },
			want: map[int]float64{0: 0.1, 9: 1, 50: 1, 79: 1, 89: 0.55, 99: 0.1},
		},
		{
			name:  "wsd by steps",
			steps: 100, change: func(c *Config) { c.WarmupSteps, c.Schedule, c.DecaySteps = 10, ScheduleWSD, 10 },
			want: map[int]float64{88: 1, 89: 1, 94: 0.55, 99: 0.1},
		},
		{
			name:  "wsd whose decay does not fit",
			steps: 10, change: func(c *Config) { c.WarmupSteps, c.Schedule, c.DecaySteps = 5, ScheduleWSD, 10 },
			want:    map[int]float64{0: 0.2, 4: 1, 9: 0.1},
			warning: "the decay of optim.schedule wsd (10 steps) does not fit the run (10 steps, 5 of them warm-up); shortened to 5",
		},
		{
			name:  "warm-up longer than the run",
			steps: 50, change: func(*Config) {},
			want:    map[int]float64{0: 0.2, 4: 1, 49: 0.1},
			warning: "optim.warmup_steps (1000) is longer than the run (50 steps); shortened to 5",
		},
		{
			name:  "run of one step",
			steps: 1, change: func(*Config) {},
			want:    map[int]float64{0: 1},
			warning: "optim.warmup_steps (1000) is longer than the run (1 step); shortened to 1",
		},
		{
			name:  "warm-up as long as the run",
			steps: 10, change: func(c *Config) { c.WarmupSteps = 10 },
			want: map[int]float64{0: 0.1, 9: 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Default()
			tt.change(&c)
			s, warning, err := NewSchedule(c, tt.steps)
			if err != nil {
				t.Fatal(err)
			}
			if warning != tt.warning {
				t.Errorf("warning %q, want %q", warning, tt.warning)
			}
			for step, share := range tt.want {
				if got, want := s.LR(step), share*c.LR; math.Abs(got-want) > 1e-12 {
					t.Errorf("step %d: lr %v, want %v", step, got, want)
				}
			}
		})
	}
}

func TestScheduleNeedsAStep(t *testing.T) {
	if _, _, err := NewSchedule(Default(), 0); err == nil {
		t.Error("a schedule over no steps was built")
	}
}
