package data

import (
	"slices"
	"testing"

	"mobilellm/tokenizer"
)

// Scoring numbers documents as training does: a new one behind each separator.
func TestHeldoutDocuments(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(3000), tokenizer.Bytes())
	h, err := HeldoutBatches(corpus, 3, 32, 0)
	if err != nil {
		t.Fatal(err)
	}
	for b := range h.All() {
		if b.Docs != nil {
			t.Fatal("documents are numbered unasked")
		}
	}
	if err := h.NumberDocuments(); err != nil {
		t.Fatal(err)
	}
	crossed := 0
	starts := make([]int32, 2*h.seq)
	for b := range h.All() {
		b.Starts(starts, 1)
		for i, doc := range b.Docs {
			begins := i%h.seq == 0 || b.Inputs[i] == endOfText && b.Targets[i] != Ignored || b.Targets[i] == Ignored && b.Targets[i-1] != Ignored
			if got := i%h.seq == 0 || doc != b.Docs[i-1]; got != begins {
				t.Fatalf("batch %d, position %d: a document begins %v, want %v", b.Step, i, got, begins)
			}
			if i%h.seq > 0 && begins {
				crossed++
			}
			if i < h.seq {
				continue
			}
			want := int32(i % h.seq)
			if !begins {
				want = starts[i-h.seq-1]
			}
			if starts[i-h.seq] != want {
				t.Fatalf("batch %d, position %d: its document begins at %d, want %d", b.Step, i, starts[i-h.seq], want)
			}
		}
	}
	if crossed == 0 {
		t.Error("no row holds two documents")
	}
	if h, err = HeldoutBatches(&TokenCorpus{segments: []segment{{short: []uint16{1, 2}}}, tokens: 2}, 1, 1, 0); err != nil {
		t.Fatal(err)
	}
	wantError(t, "without documents", h.NumberDocuments(), "the corpus does not know its documents")
}

func TestStarts(t *testing.T) {
	b := &Batch{Rows: 3, Seq: 4, Docs: []int32{0, 1, 1, 2, 0, 0, 0, 0, 1, 1, 2, 2}}
	for first, want := range [][]int32{{0, 1, 1, 3, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 2, 2}} {
		got := make([]int32, 8)
		if b.Starts(got, first); !slices.Equal(got, want) {
			t.Errorf("from row %d: %v, want %v", first, got, want)
		}
	}
}
