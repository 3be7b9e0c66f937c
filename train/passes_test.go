package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data"
	"mobilellm/device"
)

func TestPassCount(t *testing.T) {
	for n, want := range map[float64]string{
		0.0004: "0.0004", 0.02: "0.02", 0.05: "0.1", 0.31: "0.3", 1: "1.0", 3.24: "3.2", 9.94: "9.9", 9.96: "10", 42.4: "42", 999: "999", 26000: "26,000", 1234567: "1,234,567",
	} {
		if got := passCount(n); got != want {
			t.Errorf("%v is %s, want %s", n, got, want)
		}
	}
}

func TestReading(t *testing.T) {
	for _, c := range []struct {
		r    reading
		text string
		warn string
	}{
		{reading{bytes: 4e5, tokens: 1e5, passes: 26000}, "26,000 passes over 0.4 MB of text", "warning: 26,000 passes over 0.4 MB of text: text that is repeated more than 4 times teaches little (Muennighoff et al., 2023)\nhint: add text, or make fewer steps: --steps 3 reads it 4 times"},
		{reading{source: "a.txt", tokens: 45000, passes: 4}, "4.0 passes over 45.0k tokens of a.txt", ""},
		{reading{source: "a.txt", tokens: 45000, passes: 4.2}, "4.2 passes over 45.0k tokens of a.txt", "--steps 19047 "},
		{reading{bytes: 3e12, passes: 0.01}, "0.01 passes over 3000.0 GB of text", ""},
		{reading{bytes: 900, passes: 1}, "1.0 passes over 0.9 kB of text", ""},
	} {
		if got := c.r.String(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
		if got := c.r.warning(20000); !strings.Contains(got, c.warn) || (got == "") != (c.warn == "") {
			t.Errorf("%q, want %q", got, c.warn)
		}
	}
}

// Plan, start and progress say how often the text is read, and the plan is about what
// the run finds.
func TestPassesAreSaid(t *testing.T) {
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for _, test := range []struct {
		name   string
		change func(c *RunConfig)
		passes float64 // about
		said   []string
	}{
		{"part of one", func(c *RunConfig) { c.Train.Steps = 6 }, 0.1, []string{"0.1 passes over 10.2 kB of text\n", "  pass 0.1/0.1  loss"}},
		{
			"many", func(c *RunConfig) { c.Train.Steps, c.Data.Train[0].Path = 60, text(t, 20) }, 11,
			[]string{" kB of text\n", "warning: 1", "repeated more than 4 times", "  pass 0.2/1", "\nhint: add text, or make fewer steps: --steps "},
		},
		{"a mixture", func(c *RunConfig) {
			c.Train.Steps = 40
			c.Data.Train = data.Sources{{Path: c.Data.Train[0].Path, Weight: 1}, {Path: text(t, 10), Weight: 3}}
		}, 11, []string{" tokens of ", "warning: 1"}},
		{"shards", func(c *RunConfig) {
			c.Train.Steps, c.Data.Train[0].Path = 50, tokenShards(t, *c)
		}, 0.6, []string{" passes over "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := tiny(t)
			test.change(&c)
			c.Eval.Every, c.Checkpoint.Every = 0, 0
			p, err := NewPlan(context.Background(), c, dev)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			train(t, c, Options{Progress: NewProgress(&said, false)})
			for _, want := range test.said {
				if !strings.Contains(said.String(), want) {
					t.Errorf("%q is not said in\n%s", want, said.String())
				}
			}
			if math.Abs(p.Passes-test.passes) > 0.3*test.passes {
				t.Errorf("planned %v passes, want about %v: %q", p.Passes, test.passes, p.Texts())
			}
			if warned := strings.Contains(strings.Join(p.Notes, "\n"), "repeated more than 4 times"); warned != (p.Passes > 4) || warned != strings.Contains(said.String(), "repeated more than 4 times") {
				t.Errorf("%v passes, notes %q", p.Passes, p.Notes)
			}
			if p.TextBytes < 400 || p.TextTokens < 400 {
				t.Errorf("planned %d bytes and %d tokens", p.TextBytes, p.TextTokens)
			}
		})
	}
	c := tiny(t)
	c.Data.Train[0].Path = filepath.Join(t.TempDir(), "nothing") // a plan needs no text
	if p, err := NewPlan(context.Background(), c, dev); err != nil || p.Passes != 0 || len(p.Texts()) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := os.WriteFile(c.Data.Train[0].Path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := NewPlan(context.Background(), c, dev); err != nil || p.Passes != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}
