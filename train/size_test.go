package train

import "testing"

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"25M": 25e6, "25m": 25e6, "1.3B": 1.3e9, "800k": 8e5, "5000000": 5e6, "0.5M": 5e5} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "M", "-5M", "0", "25MB", "NaNM", "infM", "1e20", "25 M", "x"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestForSize(t *testing.T) {
	for _, size := range []int64{5e5, 1e6, 2e6, 5e6, 8e6, 15e6, 25e6, 40e6, 60e6, 90e6, 125e6, 350e6, 1e9} {
		c, err := ForSize(size)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%d: %v", size, err)
		}
		t.Logf("%10d: %d x %d, vocabulary %d, seq %d, batch %d, steps %d, lr %g, warm-up %d", size, c.Model.Layers, c.Model.Dim, c.Model.VocabSize, c.Data.Seq, c.Train.Batch, c.Train.Steps, c.Optim.LR, c.Optim.WarmupSteps)
	}
	if c, err := ForSize(3); err == nil {
		t.Errorf("3 parameters: %+v", c)
	}
}
