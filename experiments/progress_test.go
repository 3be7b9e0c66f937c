package experiments

import (
	"bytes"
	"testing"
	"time"

	"mobilellm/internal/bar/screen"
	"mobilellm/train"
)

func progressOf(step int64, first State) []Status {
	list := []Status{
		{Member: Member{ID: "a1", Name: "thin", Seed: 1, Steps: 100, FLOPs: 1e12}, State: first, Step: 100, Loss: 3.5, TokensPerSecond: 1000},
		{Member: Member{ID: "b2", Name: "wide", Seed: 1, Steps: 100, FLOPs: 1e12}, State: Running, Step: step, Loss: 4.25, TokensPerSecond: 1000, Left: 90 * time.Second},
	}
	if first == Finished {
		list[0].Result = &train.Summary{Heldout: train.HeldoutRecord{HeldoutLoss: 3.5, Perplexity: 33.1}}
	}
	return list
}

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, false)
	now := time.Unix(1000, 0)
	p.now = func() time.Time { return now }
	p.show(progressOf(10, Running))
	now = now.Add(10 * time.Second)
	p.show(progressOf(20, Finished))
	now = now.Add(lineEvery)
	p.show(progressOf(50, Finished))
	p.end()
	want := `0 of 2 runs finished
  a1 thin, seed 1: left 0s, step 100/100, loss 3.5000, 1000 tokens/s
  b2 wide, seed 1: left 1m30s, step 10/100, loss 4.2500, 1000 tokens/s
finished a1 thin, seed 1: validation loss 3.5000, ppl 33.10, 1000 tokens/s
1 of 2 runs finished, left about 50s
  b2 wide, seed 1: left 1m30s, step 50/100, loss 4.2500, 1000 tokens/s
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestProgressBar(t *testing.T) {
	out := &screen.Screen{Columns: 80}
	p := NewProgress(out, true)
	p.show(progressOf(10, Running))
	if want := " 55% |███████████         | 0 of 2 runs finished\n" +
		"  a1 thin, seed 1: left 0s, step 100/100, loss 3.5000, 1000 tokens/s\n" +
		"  b2 wide, seed 1: left 1m30s, step 10/100, loss 4.2500, 1000 tokens/s"; out.Text() != want {
		t.Errorf("got\n%s\nwant\n%s", out.Text(), want)
	}
	p.now = func() time.Time { return p.began.Add(10 * time.Second) }
	p.show(progressOf(20, Finished))
	p.end()
	p.note("the end")
	if want := "finished a1 thin, seed 1: validation loss 3.5000, ppl 33.10, 1000 tokens/s\n" +
		" 60% |████████████        | 1 of 2 runs finished, left about 1m20s\n" +
		"  b2 wide, seed 1: left 1m30s, step 20/100, loss 4.2500, 1000 tokens/s\nthe end"; out.Text() != want {
		t.Errorf("got\n%s\nwant\n%s", out.Text(), want)
	}
	if len(out.Broken) > 0 {
		t.Errorf("broken lines: %q", out.Broken)
	}
}
