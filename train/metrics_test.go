package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Damaged lines of the metrics are kept aside when the run goes on, and named.
func TestDamagedMetrics(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 4
	out, _ := train(t, c, Options{})
	path := filepath.Join(out, MetricsFile)
	whole := file(t, out, MetricsFile)
	lines := strings.SplitAfter(whole, "\n")
	damaged := []string{strings.Replace(lines[1], ":", ";", 1), "\x00\x00\n", "{}\n", `{"step":2,"lo`}
	text := lines[0] + damaged[0] + lines[2] + damaged[1] + damaged[2] + lines[3] + lines[4] + damaged[3]
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	c.Train.Steps = 5
	var notes strings.Builder
	o := Options{Out: out, Resume: latest, PeakFLOPS: 1e11, Progress: NewProgress(&notes, false)}
	if _, err := Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(notes.String(), "metrics.jsonl: 4 damaged lines are kept aside in metrics.damaged.jsonl, the first is line 2") {
		t.Errorf("notes:\n%s", notes.String())
	}
	if got, want := file(t, out, DamagedMetricsFile), strings.Join(damaged, "")+"\n"; got != want {
		t.Errorf("kept aside:\n%s\nwant:\n%s", got, want)
	}
	if got, want := file(t, out, MetricsFile), lines[0]+lines[2]+lines[3]+lines[4]; !strings.HasPrefix(got, want) {
		t.Errorf("metrics:\n%s\nwant to begin with:\n%s", got, want)
	}
}

// A perplexity that JSON lacks is null, in metrics and result, and the run goes on.
func TestInfinitePerplexity(t *testing.T) {
	c := tiny(t)
	c.Model.InitStd, c.Optim.LR, c.Train.Steps = 60, 1e-9, 5
	out, result := train(t, c, Options{})
	if h := result.Heldout; h == nil || !h.HeldoutLoss.Finite() || h.Perplexity.Finite() {
		t.Fatalf("held out: %+v", result.Heldout)
	}
	if text := file(t, out, MetricsFile); strings.Count(text, `"perplexity":null`) != 2 {
		t.Errorf("metrics:\n%s", text)
	}
	s, err := ReadSummary(out)
	if err != nil || s.Heldout.HeldoutLoss != result.Heldout.HeldoutLoss || !math.IsNaN(float64(s.Heldout.Perplexity)) {
		t.Errorf("result.json: %+v, %v", s, err)
	}
}

// A held-out loss that is no number ends nothing, and marks nothing as the best.
func TestHeldoutLossNaN(t *testing.T) {
	for line, best := range map[string]bool{`{"step":3,"heldout_loss":null}`: false, `{"step":3,"heldout_loss":2.5}`: true} {
		record, step, err := parseMetrics([]byte(line + "\n"))
		if h, ok := record.(HeldoutRecord); err != nil || step != 3 || !ok || h.HeldoutLoss.Finite() != best {
			t.Errorf("%s: step %d, %+v, %v", line, step, record, err)
		}
	}
}

// What is read is each step and scoring, without what is damaged.
func TestReadMetrics(t *testing.T) {
	dir := t.TempDir()
	text := `{"step":1,"tokens":10,"loss":5}
{"step":2,"tok
{"step":2,"tokens":20,"loss":4}
{"step":2,"heldout_loss":4.5}
{"step":2,"samples":[{"prompt":"a","text":" b"}]}
{"step":2,"tasks":[]}
{"step":2,"resumed":"2026-11-30T12:00:00Z","again":3}
{"step":3,"tokens":30,"lo`
	if err := os.WriteFile(filepath.Join(dir, MetricsFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := ReadMetrics(dir)
	if err != nil || len(m.Steps) != 2 || m.Steps[1].Tokens != 20 || len(m.Heldout) != 1 || m.Heldout[0].HeldoutLoss != 4.5 || len(m.Tasks) != 1 ||
		len(m.Samples) != 1 || m.Samples[0].Samples[0] != (Sample{"a", " b"}) || len(m.Resumes) != 1 || m.Resumes[0].Again != 3 {
		t.Errorf("%+v, %v", m, err)
	}
}
