package train

import (
	"fmt"
	"math"
	"time"

	"mobilellm/collective"
)

// Collective is the `collective:` section, of runs of several ranks.
type Collective struct {
	Compress string        `yaml:"compress" help:"How gradients travel between ranks: none, or bf16, half the bytes; each rank's are rounded before they are summed."`
	Timeout  time.Duration `yaml:"timeout" help:"How long a rank may keep the others waiting within a step, such as 5m, before they end; 0 is forever."`
	BucketMB float64       `yaml:"bucket_mb" help:"Gradients leave together when there are so many megabytes of them, in float32."`
}

// The values of collective.compress.
const (
	CompressNone = "none"
	CompressBF16 = "bf16"
)

func (c Collective) validate() error {
	switch {
	case c.Compress != CompressNone && c.Compress != CompressBF16:
		return fmt.Errorf("collective.compress (%q) must be %s or %s", c.Compress, CompressNone, CompressBF16)
	case c.Timeout < 0:
		return fmt.Errorf("collective.timeout (%v) must not be negative", c.Timeout)
	case !(c.BucketMB > 0) || math.IsInf(c.BucketMB, 0):
		return fmt.Errorf("collective.bucket_mb (%g) must be above 0", c.BucketMB)
	}
	return nil
}

// kind is how gradients travel.
func (c Collective) kind() collective.Type {
	if c.Compress == CompressBF16 {
		return collective.BF16
	}
	return collective.Float32
}

// bucketElements is how many numbers leave together.
func (c Collective) bucketElements() int { return max(1, int(c.BucketMB*1e6/4)) }
