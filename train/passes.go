package train

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"

	"mobilellm/data"
)

// usefulPasses is how often text is worth reading: up to there repeated text teaches
// nearly as much as new text, and soon after hardly anything (Muennighoff et al.,
// "Scaling Data-Constrained Language Models", NeurIPS 2023, arXiv:2305.16264, section 5).
const usefulPasses = 4

// reading is how often a run reads a text, all of it or of a mixture a source.
type reading struct {
	source string  // empty for all text
	bytes  float64 // of its text, 0 where only the tokens are known
	tokens float64
	passes float64
}

func (r reading) String() string {
	size, of := count(r.tokens)+" tokens", "text"
	if r.bytes > 0 {
		size = textBytes(r.bytes)
	}
	if r.source != "" {
		of = r.source
	}
	return fmt.Sprintf("%s passes over %s of %s", passCount(r.passes), size, of)
}

// warning says that a run reads a text too often, empty where it does not.
func (r reading) warning(steps int) string {
	if r.passes <= usefulPasses {
		return ""
	}
	enough := max(1, int(float64(steps)*usefulPasses/r.passes))
	return fmt.Sprintf("warning: %s: text that is repeated more than %d times teaches little (Muennighoff et al., 2023)\nhint: add text, or make fewer steps: --steps %d reads it %d times", r, usefulPasses, enough, usefulPasses)
}

// most is the reading of most passes, of none the zero value.
func most(list []reading) (m reading) {
	for _, r := range list {
		if r.passes > m.passes {
			m = r
		}
	}
	return m
}

// passCount prints a number of passes: 0.3, 3.2, 26,000.
func passCount(n float64) string {
	switch {
	case n < 0.05:
		return strconv.FormatFloat(n, 'g', 1, 64)
	case n < 9.95:
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// textBytes prints the size of a text.
func textBytes(n float64) string {
	switch {
	case n < 1e5:
		return fmt.Sprintf("%.1f kB", n/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", n/1e6)
	}
	return fmt.Sprintf("%.1f GB", n/1e9)
}

// readings are those of the run, from the order of its samples.
func (r *run) readings() (list []reading) {
	passes := r.loader.Passes(int64(r.c.Train.Steps) * int64(r.c.Train.Batch))
	for _, p := range passes {
		one := reading{source: p.Source, tokens: float64(p.Tokens), passes: p.Passes()}
		if p.Source == "" {
			one.bytes = float64(r.text.Train.Bytes())
		}
		list = append(list, one)
	}
	return list
}

// notePasses says how often the run reads its text.
func (r *run) notePasses() {
	if r.o.Overfit {
		return // on one batch
	}
	list := r.readings()
	for _, one := range list {
		r.o.Progress.Note("%s", one)
	}
	if warning := most(list).warning(r.c.Train.Steps); warning != "" {
		r.o.Progress.Note("%s", warning)
	}
}

// course is where the run stands among its steps.
func (r *run) course() Course {
	c := Course{Steps: int64(r.c.Train.Steps), StepTokens: r.c.stepTokens()}
	if r.o.Overfit {
		return c
	}
	done := r.loader.Passes(r.state.step * int64(r.c.Train.Batch))
	for i, p := range r.loader.Passes(int64(r.c.Train.Steps) * int64(r.c.Train.Batch)) {
		if all := p.Passes(); all > c.Passes {
			c.Pass, c.Passes = done[i].Passes(), all
		}
	}
	return c
}

// plannedReadings are about those of a run whose text is not read yet, by the sizes of
// its files. Text of unknown size is none.
func plannedReadings(ctx context.Context, c *RunConfig) []reading {
	list := make([]reading, len(c.Data.Train))
	var all reading
	for i, s := range c.Data.Train {
		one := sourceReading(ctx, c, s.Path)
		one.source = s.Path
		list[i] = one
		all.bytes, all.tokens = all.bytes+one.bytes, all.tokens+one.tokens
	}
	wanted := float64(c.stepTokens()) * float64(c.Train.Steps)
	shares := c.Data.Shares(int64(wanted))
	if shares == nil {
		shares, list = []float64{1}, []reading{all}
	}
	known := list[:0]
	for i, one := range list {
		if one.tokens > 0 {
			one.passes = wanted * shares[i] / one.tokens
			known = append(known, one)
		}
	}
	return known
}

// sourceReading is about how much text a source holds on the training side.
func sourceReading(ctx context.Context, c *RunConfig, path string) (r reading) {
	tokens, text, ok := data.StatTokens(path)
	if ok {
		r.tokens, r.bytes = float64(tokens), float64(text)
	} else {
		r.bytes = float64(sourceSize(ctx, path, nil))
		r.tokens = r.bytes / bytesPerToken(c)
	}
	if len(c.Data.Heldout) == 0 {
		left := 1 - c.Data.HeldoutFraction
		r.tokens, r.bytes = left*r.tokens, left*r.bytes
	}
	return r
}

// bytesPerToken is about how much text a token of the model's vocabulary stands for:
// what tokenizers reach on text and code, 2.7 with 4,096 ids and 3.8 with 32,000.
func bytesPerToken(c *RunConfig) float64 {
	if c.Data.Tokenizer == data.TokenizerBytes {
		return 1
	}
	return max(1, 1+0.4*float64(bits.Len(uint(c.Model.VocabSize-1))-8))
}
