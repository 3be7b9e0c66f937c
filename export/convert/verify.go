package convert

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"mobilellm/arch"
	"mobilellm/checkpoint/gguf"
	"mobilellm/engine"
	"mobilellm/export"
	"mobilellm/export/onnx"
	"mobilellm/internal/quant"
)

// Tolerance is how far logits of the same weights may be apart, which are sums of
// float32 in other orders; where logits are larger than 10, it is that share of the
// largest one's tenth.
const Tolerance = 1e-4

// IntegerTolerance is how far logits of the same weights may be apart, root mean square
// and relative, where the graph rounds activations to 8 bits: by what that costs.
const IntegerTolerance = 0.1

// Result is what Verify found.
type Result struct {
	Format Format `json:"format"`
	// Types counts the weights by the type to which they are rounded.
	Types map[string]int `json:"types"`
	// Tokens is the number of positions that were compared.
	Tokens int `json:"tokens"`
	// RoundedDifference is the largest difference of logits to the model with
	// its weights rounded alike: an error of the export.
	RoundedDifference float64 `json:"rounded_difference"`
	// Difference is the largest difference of logits to the model itself: what
	// rounding costs.
	Difference float64 `json:"difference"`
	// Agreement is the share of positions with the same likeliest token as in
	// the model itself.
	Agreement float64 `json:"agreement"`
	// Special are the special tokens; nil where no tokenizer was compared.
	Special *Special `json:"special,omitempty"`
	// Texts is the number of texts that have the same tokens.
	Texts int `json:"texts"`
}

// Verify reads back what was written at path and compares it with the model m:
// each weight must be that of m, rounded to some type of the format, and the
// logits on tokens drawn at random must agree within [Tolerance] with those of m
// rounded so. Of a format with a tokenizer, special tokens and the ids of texts must be
// the same. A result beside an error says how far it is off.
func Verify(m *export.Model, path string, dev engine.Device, tokens int) (*Result, error) {
	format, err := Detect(path)
	if err != nil {
		return nil, err
	}
	var weights map[string][]float32
	var run func(ids []int32) ([]float32, error)
	want, integers := m, false
	var got *export.Model // nil for a graph, which has no tokenizer
	if format == ONNX {
		graph, err := onnx.Open(path)
		if err != nil {
			return nil, err
		}
		weights, integers = map[string][]float32{}, graph.QuantisesActivations()
		for _, p := range m.Config.Parameters() {
			if x, ok := graph.Weight(p.Name); ok {
				weights[p.Name] = x
			}
		}
		run = func(ids []int32) ([]float32, error) { return graph.Run(ids, m.Config.KVHeads, m.Config.HeadDim) }
	} else {
		if want, err = m.Unrolled(); err != nil {
			return nil, err
		}
		if got, err = Read(path, ""); err != nil {
			return nil, err
		}
		if got.Config.LayerSharing.Shared() { // our own folder
			want = m
		}
		if a, b := function(want.Config), function(got.Config); a != b {
			return nil, fmt.Errorf("%s is another model:\n%+v\nwhere\n%+v\nis expected", path, b, a)
		}
		weights = got.Weights
		run = func(ids []int32) ([]float32, error) { return got.Logits(dev, ids) }
	}
	result := &Result{Format: format, Types: map[string]int{}, Tokens: min(tokens, m.Config.Context)}
	rounded := &export.Model{Config: want.Config, Weights: map[string][]float32{}}
	for _, p := range want.Config.Parameters() {
		typ, x, err := matchType(p.Name, want.Weights[p.Name], weights[p.Name], p.Shape[len(p.Shape)-1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		result.Types[typ]++
		rounded.Weights[p.Name] = x
	}
	if err := result.compare(path, dev, run, want, rounded, integers); err != nil || got == nil {
		return result, err
	}
	return result, result.verifyTokens(m, got, path)
}

// function is the part of a config that decides what the model computes. The rest
// has no place in other formats.
func function(c arch.Config) arch.Config {
	c.InitStd = 0
	if !c.LayerSharing.Shared() {
		c.LayerSharing = arch.LayerSharing{}
	}
	if c.RoPEScaling.Type == arch.PlainRoPE {
		c.RoPEScaling = arch.RoPEScaling{}
	}
	return c
}

// compare runs what was written, the model and the rounded model. One whose activations
// are integers must agree with the latter within [IntegerTolerance].
func (r *Result) compare(path string, dev engine.Device, run func([]int32) ([]float32, error), want, rounded *export.Model, integers bool) error {
	ids := make([]int32, r.Tokens)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range ids {
		ids[i] = int32(random.IntN(want.Config.VocabSize))
	}
	got, err := run(ids)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	original, err1 := want.Logits(dev, ids)
	alike, err2 := rounded.Logits(dev, ids)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	v := want.Config.VocabSize
	if len(got) != len(original) {
		return fmt.Errorf("%s: %d logits, expected %d", path, len(got), len(original))
	}
	r.Difference, r.RoundedDifference = largestDifference(got, original), largestDifference(got, alike)
	same := 0
	for at := 0; at < len(got); at += v {
		if a, b := got[at:at+v], original[at:at+v]; slices.Index(a, slices.Max(a)) == slices.Index(b, slices.Max(b)) {
			same++
		}
	}
	r.Agreement = float64(same) / float64(r.Tokens)
	most := 0.0
	for _, x := range alike {
		most = max(most, math.Abs(float64(x)))
	}
	if integers {
		if apart := rootMeanSquare(got, alike) / rootMeanSquare(alike, make([]float32, len(alike))); !(apart <= IntegerTolerance) {
			return fmt.Errorf("%s: logits differ by %.2g of their size, more than %g, from those of the same weights", path, apart, IntegerTolerance)
		}
		return nil
	}
	if allowed := Tolerance * max(1, most/10); !(r.RoundedDifference <= allowed) {
		return fmt.Errorf("%s: logits differ by %g, more than %g, from those of the same weights", path, r.RoundedDifference, allowed)
	}
	return nil
}

// rootMeanSquare is that of the difference of two lists.
func rootMeanSquare(a, b []float32) float64 {
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a)))
}

func largestDifference(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst = max(worst, d)
	}
	return worst
}

// matchType finds the type to which want was rounded to give got, to the bit.
func matchType(name string, want, got []float32, row int) (string, []float32, error) {
	if got == nil {
		return "", nil, fmt.Errorf("tensor %s is missing", name)
	}
	if len(want) != len(got) {
		return "", nil, fmt.Errorf("tensor %s has %d elements, expected %d", name, len(got), len(want))
	}
	for _, t := range gguf.Types() { // which has the types of all formats
		if !t.Fits(row) {
			continue
		}
		if x := gguf.Rounded(t, want); slices.Equal(x, got) {
			return t.String(), x, nil
		}
	}
	if x := quant.Rounded(want, row, quant.CompressedWeights); slices.Equal(x, got) {
		return "int8", x, nil
	}
	for _, t := range onnx.Types() {
		if t.Quantised() && t.Fits(row) {
			if x := t.Rounded(want, row); slices.Equal(x, got) {
				return string(t), x, nil
			}
		}
	}
	return "", nil, fmt.Errorf("tensor %s differs by up to %g, which no rounding explains", name, largestDifference(want, got))
}
