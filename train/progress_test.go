package train

import (
	"strings"
	"testing"
)

// Away from a terminal there are lines, few of them, and neither colour nor bar.
func TestProgressLines(t *testing.T) {
	var out strings.Builder
	p := NewProgress(&out, false)
	p.Stage("encode", 1, 100)
	p.Stage("encode", 100, 100)
	for step := int64(1); step <= 100; step++ {
		p.Step(StepRecord{Step: step, Loss: 2, LR: 1e-3, TokensPerSecond: 12345, MFU: 0.5}, Course{Steps: 100, StepTokens: 1000, Pass: float64(step) * 26, Passes: 2600})
	}
	p.Note("step %d: saved", 100)
	p.Done()
	want := "step 1/100  pass 26/2,600  loss 2.0000  lr 1.00e-03  12.3k tokens/s  mfu 50 %  left 8s\n" +
		"step 100/100  pass 2,600/2,600  loss 2.0000  lr 1.00e-03  12.3k tokens/s  mfu 50 %  left 0s\n" +
		"step 100: saved\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

// On a terminal a bar says the same.
func TestProgressBar(t *testing.T) {
	var out strings.Builder
	p := NewProgress(&out, true)
	p.Stage("encode", 50, 100)
	p.Stage("encode", 100, 100)
	p.Step(StepRecord{Step: 1, Loss: 2, LR: 1e-3, TokensPerSecond: 100, MFU: 0.5}, Course{Steps: 2, StepTokens: 1000})
	p.Note("a note")
	p.Done()
	for _, part := range []string{"encode", "|█████     | step 1/2  loss 2.0000  100 tokens/s  mfu 50 %  left 10s", "a note\n"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in\n%q", part, out.String())
		}
	}
}
