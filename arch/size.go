package arch

import (
	"fmt"
	"math"
)

// The sizes that [ForSize] makes models of, in parameters.
const (
	MinSize = 500_000
	MaxSize = 2_000_000_000
)

// depths are the layers of the paper's models (Table 9) by their parameters, and, below
// them, of models of the same ratio of width to depth, about 18.
var depths = []struct{ size, layers float64 }{
	{1e6, 7}, {5e6, 11}, {15e6, 16}, {40e6, 21}, {125e6, 30}, {350e6, 32}, {600e6, 40}, {1e9, 54}, {MaxSize, 54},
}

// vocabularies are what [ForSize] chooses from.
var vocabularies = []int{1024, 2048, 4096, 8192, 16384, 32000}

// ForSize is a model of about size parameters by the paper's rules: deep and thin, with
// heads of 64, about three query heads for each key and value head, SwiGLU and one table
// for input and output (sections 3.1 to 3.3). At the sizes of Table 9 it is the paper's
// model. A vocabulary of 0 is chosen: the largest whose table takes no more than a fifth
// of the parameters. Narrow models start from larger weights and have a shorter context.
func ForSize(size int64, vocab int) (Config, error) {
	if size < MinSize || size > MaxSize {
		return Config{}, fmt.Errorf("a size of %d parameters must lie between %d and %d", size, MinSize, MaxSize)
	}
	want := depthFor(float64(size))
	best, least := Config{}, math.Inf(1)
	for heads := 1; heads <= 64; heads++ {
		if heads > 6*groups(heads) { // a prime, mostly: no width near the paper's proportions
			continue
		}
		c := Default()
		c.Heads, c.KVHeads, c.Dim = heads, groups(heads), 64*heads
		if c.VocabSize = vocab; vocab == 0 {
			c.VocabSize = vocabularyFor(size, c.Dim)
		}
		c.Layers = 1
		one := c.ParameterCount()
		c.Layers = 2
		layer := c.ParameterCount() - one
		if c.Layers = int(math.Round(float64(size-one+layer) / float64(layer))); c.Layers < 1 {
			break
		}
		if off := math.Abs(math.Log(float64(c.Layers) / want)); off < least {
			best, least = c, off
		}
	}
	if best.Layers == 0 {
		return Config{}, fmt.Errorf("a size of %d parameters leaves no layer beside a vocabulary of %d", size, vocab)
	}
	best.InitStd = InitStdFor(best.Dim)
	best.Context = contextFor(best.Dim)
	return best, nil
}

// InitStdFor is the standard deviation of the initial weights of a model of that width,
// to three digits: larger in a narrow one, so that what its matmuls give is of the size
// that it is in the paper's 125M; no smaller in a wide one.
func InitStdFor(dim int) float64 {
	d := Default()
	return math.Round(1e3*d.InitStd*math.Sqrt(max(1, float64(d.Dim)/float64(dim)))) / 1e3
}

// depthFor interpolates depths over the logarithm of the size.
func depthFor(size float64) float64 {
	if size <= depths[0].size {
		return depths[0].layers
	}
	for i := 1; ; i++ {
		if a, b := depths[i-1], depths[i]; size <= b.size {
			return a.layers + (b.layers-a.layers)*math.Log(size/a.size)/math.Log(b.size/a.size)
		}
	}
}

// groups is the divisor of heads that is nearest to a third of it.
func groups(heads int) int {
	best := 1
	for g := 1; g <= heads; g++ {
		if heads%g == 0 && math.Abs(float64(3*g-heads)) < math.Abs(float64(3*best-heads)) {
			best = g
		}
	}
	return best
}

func vocabularyFor(size int64, dim int) int {
	best := vocabularies[0]
	for _, v := range vocabularies {
		if int64(5*v*dim) <= size {
			best = v
		}
	}
	return best
}

// contextFor is the longest power of two with which attention has no larger share of the
// FLOPs, which grows with context over width, than 1.13 times that of the paper's 125M.
func contextFor(dim int) int {
	context := Default().Context
	for context > 256 && context >= 4*dim {
		context /= 2
	}
	return context
}
