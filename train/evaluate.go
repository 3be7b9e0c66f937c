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
func evaluate(ctx context.Context, p *program, text *data.Heldout, step int64) (HeldoutRecord, error) {
	var sum float64 // nats
	sources := newSourceLosses(text.Sources(), p)
	for b := range text.All() {
		if err := ctx.Err(); err != nil {
			return HeldoutRecord{}, err
		}
		if b.Tokens == 0 {
			continue
		}
		mean, err := p.run(b, 0, 1/float32(b.Tokens))
		if err != nil {
			return HeldoutRecord{}, fmt.Errorf("scoring held-out text: %w", err)
		}
		sum += mean * float64(b.Tokens)
		if err := sources.add(p, b, 0); err != nil {
			return HeldoutRecord{}, fmt.Errorf("scoring held-out text: %w", err)
		}
	}
	loss := sum / float64(text.Tokens)
	return HeldoutRecord{
		Step: step, HeldoutLoss: jsonfloat.Float(loss), BitsPerByte: jsonfloat.Float(sum / math.Ln2 / float64(text.Bytes)),
		Perplexity: jsonfloat.Float(math.Exp(loss)), Tokens: text.Tokens,
		SourceLosses: sources.losses(),
	}, nil
}
