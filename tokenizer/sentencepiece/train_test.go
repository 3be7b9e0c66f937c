package sentencepiece

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/trained.model.gz anew; run golden.py after")

func sampleCounts(t *testing.T) *WordCounts {
	t.Helper()
	text, err := os.ReadFile("../bpe/testdata/sample.txt")
	if err != nil {
		t.Fatal(err)
	}
	counts := NewWordCounts()
	counts.Add(text)
	return counts
}

// The model that is learnt from the sample is the one whose ids the
// SentencePiece library wrote to golden.json.
func TestTrain(t *testing.T) {
	m, report, err := Train(context.Background(), sampleCounts(t), 600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write(m.File())
		z.Close()
		if err := os.WriteFile("testdata/trained.model.gz", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(m.File(), gunzip(t, "testdata/trained.model.gz")) {
		t.Error("the model differs from testdata/trained.model.gz")
	}
	if report.Vocab != 600 || m.Size() != 600 || report.Words == 0 {
		t.Errorf("%+v", report)
	}
	for id := range int32(600) {
		p := m.Piece(id)
		if p.Type != Normal {
			continue
		}
		inner := strings.TrimLeft(p.Text, blank)
		if strings.Contains(inner, blank) || len([]rune(p.Text)) > maxPiece {
			t.Errorf("piece %q", p.Text)
		}
		if strings.ContainsAny(p.Text, "0123456789") && len(p.Text) > 1 {
			t.Errorf("piece %q holds more than a digit", p.Text)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	if _, _, err := Train(context.Background(), sampleCounts(t), 260, nil); err == nil || !strings.Contains(err.Error(), "vocabulary of 260 is too small") {
		t.Error(err)
	}
	if _, _, err := Train(context.Background(), NewWordCounts(), 600, nil); err == nil || !strings.Contains(err.Error(), "no text") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Train(ctx, sampleCounts(t), 600, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
}

func TestNextWord(t *testing.T) {
	for text, want := range map[string][]string{
		"▁a▁quick▁fox":  {"▁a", "▁quick", "▁fox"},
		"▁▁▁x=12▁▁7.":   {"▁▁", "▁x", "=", "1", "2", "▁▁", "7", "."},
		"▁▁":            {"▁▁"},
		"▁дом日本ですhouse": {"▁дом", "日本です", "house"},
		"▁(a)▁--":       {"▁(", "a", ")", "▁--"},
		"▁cafe\u0301s":  {"▁cafe\u0301s"},
	} {
		var got []string
		for rest := []byte(text); len(rest) > 0; {
			n := nextWord(rest)
			got = append(got, string(rest[:n]))
			rest = rest[n:]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
