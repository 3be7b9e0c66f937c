package experiments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/bar"
	"mobilellm/train"
)

// Plan is what a sweep will take.
type Plan struct {
	Members []MemberPlan `json:"members"`
	Jobs    int          `json:"jobs"`
	Memory  int64        `json:"memory_bytes"` // of the largest members that run at once
	Seconds float64      `json:"time_seconds"` // estimated, of all members
}

// MemberPlan is what a member, with any of its seeds, will take.
type MemberPlan struct {
	Name  string `json:"name"`
	Seeds int    `json:"seeds"`
	train.Plan
}

// Plan plans every member for this machine with so many of them at once, and
// fails where one cannot run. A plan holds for every seed.
func (s *Sweep) Plan(ctx context.Context, jobs int) (*Plan, error) {
	plan := &Plan{Jobs: jobs}
	device := new(planner)
	defer device.close()
	var memory []int64
	for _, m := range s.Members {
		if i := slices.IndexFunc(plan.Members, func(p MemberPlan) bool { return p.Name == m.Name }); i >= 0 {
			plan.Members[i].Seeds++
			memory = append(memory, plan.Members[i].MemoryBytes)
			plan.Seconds += plan.Members[i].Seconds
			continue
		}
		p, err := device.plan(ctx, s, &m)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.Name, err)
		}
		if !p.Fits {
			return nil, fmt.Errorf("member %s: %s", m.Name, p.Notes[len(p.Notes)-1])
		}
		plan.Members = append(plan.Members, MemberPlan{m.Name, 1, *p})
		memory = append(memory, p.MemoryBytes)
		plan.Seconds += p.Seconds
	}
	slices.Sort(memory)
	for _, bytes := range memory[max(0, len(memory)-jobs):] {
		plan.Memory += bytes
	}
	if available := plan.Members[0].Available; available > 0 && plan.Memory > available {
		return plan, fmt.Errorf("the %d largest runs need %.1f GB together, of which %.1f are available\nhint: fewer at once with --jobs",
			min(jobs, len(memory)), gigabytes(plan.Memory), gigabytes(available))
	}
	return plan, nil
}

func gigabytes(n int64) float64 { return float64(n) / 1e9 }

// planner plans members on one device whose speed is measured once.
type planner struct {
	name string
	dev  device.Device
}

func (p *planner) plan(ctx context.Context, s *Sweep, m *Member) (_ *train.Plan, err error) {
	c, err := m.run()
	if err != nil {
		return nil, err
	}
	if m.Teacher != "" {
		dir, err := s.untrainedTeacher(m)
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) // a temporary folder that stays does no harm
		c.Distil.Teacher = dir
	}
	if p.dev == nil || p.name != c.Device {
		p.close()
		dev, err := device.Open(c.Device, 0, func(string) {})
		if err != nil {
			return nil, err
		}
		p.name, p.dev = c.Device, dev
		if _, ok := dev.(device.Accelerator); !ok { // whose plan looks behind device.Device
			p.dev = &measured{dev, map[engine.Precision]float64{}}
		}
	}
	plan, err := train.NewPlan(ctx, c, p.dev)
	return plan, errors.Join(err, ctx.Err())
}

func (p *planner) close() {
	if p.dev != nil {
		p.dev.Close()
	}
}

// measured is a device that remembers its peaks.
type measured struct {
	device.Device
	peaks map[engine.Precision]float64
}

func (d *measured) Peak(p engine.Precision, run time.Duration) (float64, error) {
	if peak, ok := d.peaks[p]; ok {
		return peak, nil
	}
	peak, err := d.Device.Peak(p, run)
	if err == nil {
		d.peaks[p] = peak
	}
	return peak, err
}

// Time is the estimated time in a few letters.
func (p *Plan) Time() string {
	return bar.Time(time.Duration(min(p.Seconds, 9e9) * float64(time.Second)))
}
