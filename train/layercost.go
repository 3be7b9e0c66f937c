package train

import (
	"context"
	"errors"
	"slices"
	"time"
)

// LayersCost is what measuring the layers costs, from steps at which they are measured and
// steps at which they are not, in turn, of one run.
type LayersCost struct {
	Parameters int64     `json:"parameters"`
	Batch      int       `json:"batch"`
	Seq        int       `json:"seq"`
	Every      int       `json:"every"`           // metrics.layers_every
	With       []float64 `json:"with_seconds"`    // of each step that is measured
	Without    []float64 `json:"without_seconds"` // of each that is not
	Share      float64   `json:"share"`           // that a measured step takes longer, by medians
}

// MeasureLayers makes so many pairs of steps; o.Out is a folder of its own.
func MeasureLayers(ctx context.Context, c RunConfig, o Options, every, pairs int) (_ *LayersCost, err error) {
	c.Metrics.LayersEvery = 2
	r, err := preparedRun(ctx, c, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.abandon(), r.close()) }()
	out := &LayersCost{Parameters: r.c.Model.ParameterCount(), Batch: c.Train.Batch, Seq: c.Data.Seq, Every: every}
	for range 2 { // the first steps touch their memory
		if err := r.step(ctx, nil); err != nil {
			return nil, err
		}
	}
	for range pairs {
		for _, to := range []*[]float64{&out.Without, &out.With} { // odd steps, even steps
			begun := time.Now()
			if err := r.step(ctx, nil); err != nil {
				return nil, err
			}
			*to = append(*to, time.Since(begun).Seconds())
		}
	}
	out.Share = middle(out.With)/middle(out.Without) - 1
	return out, nil
}

// middle is the median.
func middle(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
