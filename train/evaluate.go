package train

import (
	"context"
	"fmt"
	"math"

	"mobilellm/data"
	"mobilellm/internal/jsonfloat"
)

// evaluate scores the held-out text: the mean negative log-likelihood of its
// tokens, and the bits that its bytes would take. A loss that is not finite is one:
// the run goes on, and a step that could spoil the weights is refused by itself.
func evaluate(ctx context.Context, p *program, text *data.Heldout, step int64, k *ranks) (HeldoutRecord, error) {
	nats := make([]float64, text.Batches)
	sources := newSourceLosses(text.Sources(), p)
	err := k.together(ctx, scoreBatches(ctx, p, text, k, nats, sources), nats, sources)
	if err != nil {
		return HeldoutRecord{}, err
	}
	var sum float64
	for _, n := range nats {
		sum += n
	}
	loss := sum / float64(text.Tokens)
	return HeldoutRecord{
		Step: step, HeldoutLoss: jsonfloat.Float(loss), BitsPerByte: jsonfloat.Float(sum / math.Ln2 / float64(text.Bytes)),
		Perplexity: jsonfloat.Float(math.Exp(loss)), Tokens: text.Tokens,
		SourceLosses: sources.losses(),
	}, nil
}

// scoreBatches computes the summed losses of the batches that are this rank's.
func scoreBatches(ctx context.Context, p *program, text *data.Heldout, k *ranks, nats []float64, sources *sourceLosses) error {
	for b := range text.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.Tokens == 0 || !k.part(int(b.Step)) {
			continue
		}
		mean, err := p.run(b, 0, 1/float32(b.Tokens))
		if err == nil {
			err = sources.add(p, b, 0)
		}
		if err != nil {
			return fmt.Errorf("scoring held-out text: %w", err)
		}
		nats[b.Step] = mean * float64(b.Tokens)
	}
	return nil
}
