package train

import (
	"context"
	"fmt"
)

// Sampler continues prompts by a model while it trains. Package eval/training has one.
type Sampler func(ctx context.Context, m TaskModel, prompts []string, seed uint64) ([]Sample, error)

// writeSamples has the model write, where the configuration has prompts. It changes
// nothing of the run's state.
func (r *run) writeSamples(ctx context.Context) error {
	if len(r.c.Eval.Samples) == 0 || r.o.Sampler == nil {
		return nil
	}
	m, err := r.taskModel()
	if err != nil {
		return err
	}
	list, err := r.o.Sampler(ctx, m, r.c.Eval.Samples, r.c.Train.Seed)
	if err != nil {
		return fmt.Errorf("eval.samples: %w", err)
	}
	return r.metrics.write(SampleRecord{r.state.step, list})
}
