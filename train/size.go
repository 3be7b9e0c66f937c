package train

import (
	"fmt"
	"math"
	"strconv"

	"mobilellm/arch"
	"mobilellm/optim"
)

// tokensPerParameter is what is enough for the best model of a given amount of
// computation (Hoffmann et al., 2022).
const tokensPerParameter = 20

// ForSize is a run that trains a model of about so many parameters, that of
// [arch.ForSize], on so many tokens; 0 tokens are 20 a parameter. The recipe is that of the
// optimizer: [optim.NameMuon]'s, for processors, or AdamW's.
func ForSize(size, tokens int64, optimizer string) (RunConfig, error) {
	c := DefaultRun()
	var err error
	if c.Model, err = arch.ForSize(size, 0); err != nil {
		return c, err
	}
	if tokens == 0 {
		tokens = tokensPerParameter * c.Model.ParameterCount()
	}
	c.Data.Seq = c.Model.Context
	c.Train.Batch = batchFor(c.Model, tokens)
	c.Optim.LR = RateFor(c.Model, optimizer)
	if optimizer == optim.NameMuon {
		c.Optim.Name, c.Optim.Schedule, c.Optim.MinLRRatio = optimizer, optim.ScheduleLinear, 0
		c.Train.Batch = max(1, c.Train.Batch/2)
		c.Device = "cpu"
	}
	if tokens < c.stepTokens() {
		return c, fmt.Errorf("%d tokens are less than one step of %d × %d", tokens, c.Train.Batch, c.Data.Seq)
	}
	c.Pace(int(tokens / c.stepTokens()))
	return c, nil
}

// Pace makes c a run of so many steps: a 25th of them warm-up, scored and saved ten times.
func (c *RunConfig) Pace(steps int) {
	c.Train.Steps = steps
	c.Optim.WarmupSteps = steps / 25
	c.Eval.Every = max(1, steps/10)
	c.Checkpoint.Every = c.Eval.Every
}

// batchFor is the sequences of a step, a power of two: half of the tokens that are best
// for models of some hundred million parameters by 0.292·C^0.3271, C the FLOPs of the run
// (Bi et al., "DeepSeek LLM", 2024, arXiv:2401.02954, section 3.1), as in 125m.yaml. Muon,
// whose small models learn the more from the same tokens the smaller the steps, takes half.
func batchFor(m arch.Config, tokens int64) int {
	flops := float64(m.TrainingFLOPs(m.Context)) * float64(tokens)
	step := 0.292 / 2 * math.Pow(flops, 0.3271)
	return max(1, int(math.Exp2(math.Round(math.Log2(step/float64(m.Context))))))
}

// RateFor is the peak learning rate, to two digits: AdamW's is that of 125m.yaml at its
// width, Muon's that of quickstart.yaml, and over the width at others (Yang et al., "Tensor
// Programs V", 2022). experiments/rates.yaml compares Muon's rates at small sizes.
func RateFor(m arch.Config, optimizer string) float64 {
	rate := 1e-3 * float64(arch.Default().Dim)
	if optimizer == optim.NameMuon {
		rate = 1e-2 * 128
	}
	rate, _ = strconv.ParseFloat(strconv.FormatFloat(rate/float64(m.Dim), 'e', 1, 64), 64)
	return rate
}
