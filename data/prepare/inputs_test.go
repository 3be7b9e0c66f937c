package prepare

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
)

// Standard input has no size and no time: shards of another one must not pass for
// its own, whether they are complete or not.
func TestStdinIsNeverDone(t *testing.T) {
	for name, ended := range map[string]bool{"complete": true, "interrupted": false} {
		o := options(filepath.Join(t.TempDir(), "out"), Stdin)
		o.Split, o.ShardTokens = "line", 100_000
		ctx, cancel := context.WithCancel(context.Background())
		o.Stdin = strings.NewReader(strings.Repeat("the first text\n", 100_000))
		if !ended {
			o.Progress = func(p Progress) {
				if p.Tokens > 200_000 {
					cancel()
				}
			}
		}
		if _, err := Tokenize(ctx, o); (err == nil) != ended {
			t.Fatal(err)
		}
		cancel()
		m, err := ReadManifest(o.Out)
		if err != nil || m.Complete != ended {
			t.Fatalf("%s: %+v, %v", name, m, err)
		}
		o.Progress, o.Stdin = nil, strings.NewReader("another text\n")
		if _, err := Tokenize(context.Background(), o); err == nil || !strings.Contains(err.Error(), "holds shards already") || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("%s: %v", name, err)
		}
		again, err := ReadManifest(o.Out)
		if err != nil || len(again.Shards) != len(m.Shards) {
			t.Errorf("%s: %d shards, there were %d", name, len(again.Shards), len(m.Shards))
		}
	}
}

// The output may lie in an input folder: neither it nor what an interrupted work
// left in it is input.
func TestOutputBelowInput(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "in/a.txt", []byte(strings.Repeat("text\n", 100_000)))
	writeFile(t, dir, "in/z.txt", []byte("last"))
	o := options(filepath.Join(dir, "in", "tokens"), filepath.Join(dir, "in"), filepath.Join(dir, "in/*"))
	o.ShardTokens = 1000
	ctx, cancel := context.WithCancel(context.Background())
	o.Progress = func(p Progress) { cancel() }
	if _, err := Tokenize(ctx, o); err == nil {
		t.Fatal("was not interrupted")
	}
	o.Progress = nil
	for range 2 { // the second finds it complete
		m, err := Tokenize(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := documents(t, o.Out, m); len(got) != 4 || got[1] != "last" || len(m.Report.Skipped) != 0 {
			t.Errorf("%d documents, %+v", len(got), m.Report)
		}
	}
	o.Out = filepath.Join(dir, "in")
	if _, err := Tokenize(context.Background(), o); err == nil || !strings.Contains(err.Error(), "is an input and the output") {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(o.Out); len(entries) != 3 {
		t.Errorf("%v", entries)
	}

	model := writeFile(t, dir, "in/tok.model", []byte("an older model, which is no text to learn from"))
	_, report, err := TrainTokenizer(context.Background(), TrainOptions{
		Inputs: []string{filepath.Join(dir, "in/*.*")}, LeaveOut: model, Vocab: 264,
	})
	if err != nil || report.Documents != 2 || report.TextBytes != 500_004 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A record with several documents is never cut in two by a shard's end, so that
// work which goes on there neither loses nor repeats one.
func TestSeparatorAcrossShards(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	var want []string
	for i := range 60 {
		var texts []string
		for j := range 1 + i%5 {
			texts = append(texts, strings.Repeat(string(rune('a'+j)), 1+i%7))
		}
		want = append(want, texts...)
		lines.WriteString(`{"text": "` + strings.Join(texts, `\n<|endoftext|>\n`) + "\"}\n")
	}
	in := writeFile(t, dir, "in.jsonl", []byte(lines.String()))
	o := options(filepath.Join(dir, "out"), in)
	o.Separator, o.ShardTokens = tokenizer.EndOfText, 7
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, o.Out, m); !slices.Equal(got, want) || len(m.Shards) < 30 {
		t.Errorf("%d documents in %d shards, want %d", len(got), len(m.Shards), len(want))
	}
	// Work that goes on behind any shard ends with the same bytes.
	whole := folder(t, o.Out)
	for keep := range 5 {
		cut := *m
		cut.Shards, cut.Complete = nil, false
		o.Out = filepath.Join(dir, "again", strconv.Itoa(keep))
		for _, s := range m.Shards[:keep*7] {
			writeFile(t, o.Out, s.File, []byte(whole[s.File]))
			cut.Shards = append(cut.Shards, s)
		}
		cut.Report = Report{Skipped: map[string]int64{}}
		var docs int64
		for _, s := range cut.Shards {
			docs += s.Documents
			cut.Report.Documents += s.Documents
			cut.Report.Tokens += s.Tokens
			cut.Report.TextBytes += s.TextBytes
		}
		cut.Next = position{Place: recordOf(docs)}
		writeFile(t, o.Out, ingest.SkippedName, nil)
		if err := cut.write(o.Out); err != nil {
			t.Fatal(err)
		}
		if _, err := Tokenize(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		for name, content := range folder(t, o.Out) {
			if whole[name] != content {
				t.Errorf("behind %d shards: %s differs", keep*7, name)
			}
		}
	}
}

// recordOf is the record behind so many documents, of which the i-th has 1 + i mod 5.
func recordOf(docs int64) (record int64) {
	for ; docs > 0; record++ {
		docs -= 1 + record%5
	}
	return record
}
