package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// preparedShards writes shards as package prepare does: what opens a document before
// each, or where that is EOS before the first one alone, and EOS behind each.
func preparedShards(t *testing.T, dir string, kind shardKind, docs ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tok, err := Opened(kind.tok, StartAuto)
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.Save(dir); err != nil {
		t.Fatal(err)
	}
	end, _ := tok.Special().End()
	meta := shard.Meta{Width: kind.width, Vocab: tok.VocabSize(), BOS: tok.Special().Start, EOS: end, Tokenizer: tok.Fingerprint()}
	if meta.BOS == end {
		meta.BOS = shard.None
	}
	for i := 0; i < len(docs); i += 2 {
		w, err := shard.Create(filepath.Join(dir, shard.Name(i/2)), meta)
		if err != nil {
			t.Fatal(err)
		}
		for j, doc := range docs[i:min(i+2, len(docs))] {
			ids := append(tok.EncodeOrdinary([]byte(doc)), end)
			if meta.BOS != shard.None || i+j == 0 {
				ids = append(tok.Opening(), ids...)
			}
			if err := w.Append(ids); err != nil {
				t.Fatal(err)
			}
			w.EndDocument(int64(len(doc)))
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shardKind is how documents are opened and ids are stored.
type shardKind struct {
	tok   *tokenizer.Tokenizer
	width int
}

func shardKinds() map[string]shardKind {
	return map[string]shardKind{"EOS between": {tokenizer.Bytes(), 2}, "BOS before": {llama(), 2}, "four bytes": {tokenizer.Bytes(), 4}}
}

// Five in a hundred tokens are held out, however large the documents are.
func TestSplitTokens(t *testing.T) {
	var many []int
	for i := range 100 {
		many = append(many, 8+i%5)
	}
	for _, c := range []struct {
		name      string
		lines     []int // of each document
		documents int   // held out
		cut       int   // the document that is cut, -1 for none
	}{
		{"many", many, 5, -1},
		{"three uneven", []int{90, 54, 56}, 1, 2},
		{"the last is small", []int{200, 100, 2}, 2, 1},
		{"the last is near", []int{200, 100, 17}, 1, -1},
		{"some small ones", []int{200, 100, 4, 3, 4, 3}, 4, -1},
		{"one", []int{300}, 1, 0},
		{"two", []int{10, 400}, 1, 1},
	} {
		for name, kind := range shardKinds() {
			t.Run(c.name+", "+name, func(t *testing.T) {
				var docs []string
				for i, n := range c.lines {
					docs = append(docs, essay(i, n))
				}
				dir := preparedShards(t, filepath.Join(t.TempDir(), "tokens"), kind, docs...)
				set := loadSet(t, c.name, testConfig(dir))
				total := float64(set.Train.Len() + set.Heldout.Len())
				if share := float64(set.Heldout.Len()) / total; share < 0.025 || share > 0.077 {
					t.Errorf("held out %.3f", share)
				}
				if set.Train.Bytes()+set.Heldout.Bytes() != int64(len(strings.Join(docs, ""))) {
					t.Errorf("%d and %d bytes of %d", set.Train.Bytes(), set.Heldout.Bytes(), len(strings.Join(docs, "")))
				}
				if set.Read.Documents != len(docs) {
					t.Errorf("read %d documents of %d", set.Read.Documents, len(docs))
				}
				trained := len(docs) - c.documents
				if c.cut >= 0 {
					trained++
				}
				if a, b := len(set.Train.Documents()), len(set.Heldout.Documents()); a != trained || b != c.documents {
					t.Errorf("%d and %d documents, want %d and %d", a, b, trained, c.documents)
				}
				note := strings.Join(set.Notes, "\n")
				if want := fmt.Sprintf("data: held out the end of %s, %.1f %% of it, ", dir, 100*float64(set.Heldout.Len())/total); c.cut >= 0 && !strings.Contains(note, want) {
					t.Errorf("%q, want %q", note, want)
				}
				if want := fmt.Sprintf("tokens of document %d (", c.cut); strings.Contains(note, want) != (c.cut >= 0) {
					t.Errorf("%q, want %q", note, want)
				}
				// Each document begins with what opens it and ends with EOS, but where it is cut.
				opener, end := kind.tok.Special().Start, kind.tok.Special().EOS[0]
				if name == "BOS before" {
					opener = kind.tok.Special().BOS
				}
				for side, m := range map[string]*TokenCorpus{"training": set.Train, "held-out": set.Heldout} {
					for i, at := range m.Documents() {
						if m.token(at) != opener && !(side == "held-out" && c.cut >= 0 && i == 0) {
							t.Errorf("%s document %d begins with %d", side, i, m.token(at))
						}
					}
					if last := m.token(m.Len() - 1); (last == end) != (side == "held-out" || c.cut < 0) {
						t.Errorf("the %s side ends with %d", side, last)
					}
				}
				if set.Train.StreamSum() == "" { // what is left begins where all did
					t.Error("the stream has no sum")
				}
			})
		}
	}
	dir := writeShards(t, filepath.Join(t.TempDir(), "tokens"), "x")
	config := testConfig(dir)
	config.Seq = 1
	_, err := Load(t.Context(), config, LoadOptions{})
	wantError(t, "too little", err, "2 tokens are too few to hold any out", "hint: ")
}

// The rule of runs that are under way takes the last document whole.
func TestOldSplitTokens(t *testing.T) {
	dir := writeShards(t, filepath.Join(t.TempDir(), "tokens"), essay(1, 90), essay(2, 54), essay(3, 56))
	config := testConfig(dir)
	config.DocumentStart = StartOld
	set := loadSet(t, "old", config)
	if got := string(set.Tokenizer.Decode(readAll(set.Heldout))); got != essay(3, 56)+tokenizer.EndOfText || len(set.Train.Documents()) != 2 {
		t.Errorf("held out %.60q", got)
	}
}
