package train

import (
	"context"
	"math"
)

// epochSteps are the steps of batch samples in which so many are read some times, the last
// one whole.
func epochSteps(epochs float64, samples int64, batch int) int {
	const rounding = 1e-9
	return max(1, int(math.Ceil(epochs*float64(samples)/float64(batch)-rounding)))
}

// estimateSteps sets about the steps that train.epochs come to, from the sizes of files.
func (c *RunConfig) estimateSteps(ctx context.Context) {
	if c.Train.Epochs == 0 {
		return
	}
	var tokens float64
	for _, r := range plannedReadings(ctx, c) {
		tokens += r.tokens
	}
	c.Train.Steps = epochSteps(c.Train.Epochs, int64(tokens/float64(c.Data.Seq)), c.Train.Batch)
}

// countSteps sets the steps that train.epochs come to, now that the text is read.
func (r *run) countSteps() {
	if r.c.Train.Epochs == 0 {
		return
	}
	var samples int64
	for _, p := range r.loader.Passes(0) {
		samples += p.Windows
	}
	r.c.Train.Steps = epochSteps(r.c.Train.Epochs, samples, r.c.Train.Batch)
	r.o.Progress.Note("%g passes over %d samples are %d steps", r.c.Train.Epochs, samples, r.c.Train.Steps)
}
