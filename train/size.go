package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"mobilellm/arch"
)

// ParseSize reads a number of parameters: 25M, 1.3b, 800k, 5000000.
func ParseSize(text string) (int64, error) {
	number, unit := text, 1.0
	if n := len(text); n > 0 {
		if at := strings.IndexByte("kmb", text[n-1]|0x20); at >= 0 {
			number, unit = text[:n-1], math.Pow(1e3, float64(at+1))
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f*unit >= 1 && f*unit < 1e15) {
		return 0, fmt.Errorf("%q is no size: write parameters as 25M or 1.3B", text)
	}
	return int64(math.Round(f * unit)), nil
}

// tokensPerParameter is what is enough for the best model of a given amount of
// computation (Hoffmann et al., 2022).
const tokensPerParameter = 20

// ForSize is a run that trains a model of about so many parameters, of [arch.ForSize],
// on 20 tokens a parameter. Sequences, the tokens of a step and the peak of the learning
// rate follow from the size by what docs/results/rates.md measured.
func ForSize(size int64) (RunConfig, error) {
	c := DefaultRun()
	var err error
	if c.Model, err = arch.ForSize(size, 0); err != nil {
		return c, err
	}
	n := float64(c.Model.ParameterCount())
	c.Model.Context = 2048
	for c.Model.Context > 256 && n < 350*float64(c.Model.Context)*128 {
		c.Model.Context /= 2
	}
	c.Data.Seq = c.Model.Context
	// 131,072 tokens at 125M, 8,192 at 5M; a power of two.
	tokens := math.Exp2(math.Round(math.Log2(131072 * math.Pow(n/125e6, 0.85))))
	c.Train.Batch = max(1, int(tokens)/c.Data.Seq)
	c.Train.Steps = int(math.Ceil(tokensPerParameter * n / float64(c.stepTokens())))
	c.Optim.LR = rateFor(c.Model)
	c.Optim.WarmupSteps = max(1, c.Train.Steps/50)
	c.Eval.Every = max(1, c.Train.Steps/20)
	c.Checkpoint.Every = c.Eval.Every
	return c, nil
}

// rateFor is the peak of Adam's learning rate, to two digits.
func rateFor(m arch.Config) float64 {
	rate := 1e-3 * float64(arch.Default().Dim) / float64(m.Dim)
	rate, _ = strconv.ParseFloat(strconv.FormatFloat(rate, 'e', 1, 64), 64)
	return rate
}
