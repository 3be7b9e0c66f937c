package train

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data"
	"mobilellm/internal/jsonfloat"
)

// The losses of a mixture's sources add up to the step's and to the held-out text's, by whole
// rows and by whole tokens, in micro-batches, with a z-loss and beside conversations; and a
// run of one source tells none.
func TestSourceLosses(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var words strings.Builder
	for i := range 4000 {
		words.WriteString([]string{"red ", "green ", "blue "}[i*i%7%3])
	}
	easy, hard := write("easy.txt", strings.Repeat("a", 20000)), write("hard.txt", words.String())
	for name, change := range map[string]func(*RunConfig){
		"whole":         func(*RunConfig) {},
		"micro-batches": func(c *RunConfig) { c.Train.MicroBatch = 2 },
		"z-loss":        func(c *RunConfig) { c.Train.ZLoss = 1e-2 },
		"held out": func(c *RunConfig) {
			c.Data.Heldout = data.Sources{{Path: write("a.txt", words.String()[:3000]), Weight: 1}, {Path: write("b.txt", strings.Repeat("a", 700)), Weight: 1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			c.Train.Steps, c.Eval.Every = 12, 12
			c.Data.Train = data.Sources{{Path: easy, Weight: 1}, {Path: hard, Weight: 2}}
			change(&c)
			out, _ := train(t, c, Options{})
			m, err := ReadMetrics(out)
			if err != nil || len(m.Heldout) != 1 || len(m.Steps) != 12 {
				t.Fatalf("%d steps, %d scorings, %v", len(m.Steps), len(m.Heldout), err)
			}
			seen := 0
			for _, s := range m.Steps {
				a, b := float64(s.SourceLosses[easy]), float64(s.SourceLosses[hard])
				seen = max(seen, len(s.SourceLosses))
				if len(s.SourceLosses) == 1 {
					a = a + b
					b = a
				}
				whole(t, s.Step, a, b, s.Loss, float64(c.Train.Batch))
			}
			if seen != 2 {
				t.Errorf("no step tells both sources: %v", m.Steps)
			}
			h := m.Heldout[0]
			var losses []float64
			for _, n := range h.SourceLosses.Names() {
				losses = append(losses, float64(h.SourceLosses[n]))
			}
			if len(losses) != 2 {
				t.Fatalf("held out: %v", h.SourceLosses)
			}
			whole(t, h.Step, losses[0], losses[1], float64(h.HeldoutLoss), float64(h.Tokens))
		})
	}
	c := tiny(t)
	c.Train.Steps = 2
	out, _ := train(t, c, Options{})
	if m, err := ReadMetrics(out); err != nil || m.Steps[0].SourceLosses != nil || m.Heldout[0].SourceLosses != nil {
		t.Errorf("of one source: %+v, %v", m, err)
	}
}

// whole makes sure that a mean of n is one of a whole number of a and the rest of b.
func whole(t *testing.T, step int64, a, b, mean, n float64) {
	t.Helper()
	if a == b {
		if math.Abs(a-mean) > 1e-5*mean {
			t.Errorf("step %d: loss %v, of its one source %v", step, mean, a)
		}
		return
	}
	of := n * (mean - b) / (a - b)
	if of < 0.5 || of > n-0.5 || math.Abs(of-math.Round(of)) > 0.02 {
		t.Errorf("step %d: loss %v is of %v of %v at %v, the rest at %v", step, mean, of, n, a, b)
	}
}

func TestSourceLossesOfNothing(t *testing.T) {
	s := &sourceLosses{names: []string{"a", "b", "a"}, sums: []float64{2, 0, 4}, tokens: []int64{1, 0, 2}}
	if got := s.losses(); len(got) != 1 || got["a"] != jsonfloat.Float(2) {
		t.Errorf("two sources of one name and an empty one: %v", got)
	}
	var none *sourceLosses
	none.reset()
	if none.losses() != nil || none.add(nil, nil, 0) != nil {
		t.Error("a run of one source tells some")
	}
}
