package benchmark

import (
	"context"
	"errors"
	"time"

	"mobilellm/infer"
)

// Latency is a row of the paper's Table 7: what it takes to have a model and to run it.
type Latency struct {
	Load       time.Duration // files to weights in memory, as the device lays them out
	Initialise time.Duration // the first token: the graph is compiled, memory touched
	Execute    time.Duration // a token, the mean of Iterations
	Block      int64         // bytes of a layer's weights
}

// Iterations is how many tokens an execution time is the mean of, as in the paper.
const Iterations = 50

// MeasureLatency loads the model at path and computes tokens of one text.
func MeasureLatency(ctx context.Context, path string, dev infer.Device, o infer.LoadOptions) (l Latency, err error) {
	start := time.Now()
	m, err := infer.Load(path, dev, o)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	l.Load, l.Block = time.Since(start), blockBytes(m)
	if l.Initialise, err = once(ctx, m, Test{Tokens: 1, Batch: 1}); err != nil {
		return l, err
	}
	took, err := once(ctx, m, Test{Tokens: Iterations, Depth: 1, Batch: 1})
	l.Execute = took / Iterations
	return l, err
}
