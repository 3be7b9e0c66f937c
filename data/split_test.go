package data

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func makeDocs(sizes ...int) []Document {
	var docs []Document
	for i, size := range sizes {
		line := fmt.Sprintf("document %d says nothing\n", i)
		docs = append(docs, Document{fmt.Sprintf("doc%d", i), []byte(strings.Repeat(line, size/len(line)+1)[:size])})
	}
	return docs
}

// manySizes are those of 200 documents.
func manySizes() []int {
	many := make([]int, 200)
	for i := range many {
		many[i] = 900 + 13*(i%17)
	}
	return many
}

func TestSplitHeldout(t *testing.T) {
	for _, c := range []struct {
		name     string
		sizes    []int
		low, top float64 // held-out share
		whole    bool    // documents only
	}{
		{"many", manySizes(), 0.04, 0.07, true},
		{"thirty alike", slices.Repeat([]int{1000}, 30), 0.06, 0.07, true},
		{"eight alike", slices.Repeat([]int{1000}, 8), 0.04, 0.07, false},
		{"three alike", []int{10000, 10000, 10000}, 0.04, 0.06, false},
		{"three uneven", []int{45000, 27000, 28000}, 0.04, 0.06, false},
		{"two alike", []int{10000, 10000}, 0.04, 0.07, false},
		{"one long, one short", []int{100000, 90}, 0.04, 0.07, false},
		{"one long, some short", append(slices.Repeat([]int{300}, 5), 100000), 0.04, 0.07, false},
		{"lone", []int{20000}, 0.04, 0.07, false},
	} {
		docs := makeDocs(c.sizes...)
		s, err := SplitHeldout(docs, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		share := float64(TextBytes(s.Heldout)) / float64(TextBytes(docs))
		if share < c.low || share > c.top || TextBytes(s.Train)+TextBytes(s.Heldout) != TextBytes(docs) {
			t.Errorf("%s: held out %.3f, want %.2f to %.2f; %d + %d of %d bytes", c.name, share, c.low, c.top,
				TextBytes(s.Train), TextBytes(s.Heldout), TextBytes(docs))
		}
		if whole := len(s.Train)+len(s.Heldout) == len(docs); whole != c.whole || whole != (s.Cut == nil) {
			t.Errorf("%s: %d training and %d held-out documents of %d, cut %v", c.name, len(s.Train), len(s.Heldout), len(docs), s.Cut)
		}
		if !c.whole {
			tail := s.Heldout[len(s.Heldout)-1]
			if !bytes.HasPrefix(tail.Text, []byte("document ")) {
				t.Errorf("%s: the tail starts with %q, want a line's start", c.name, tail.Text[:20])
			}
			if len(s.Cut.Text) != slices.Max(c.sizes) || s.Kept+len(tail.Text) != len(s.Cut.Text) {
				t.Errorf("%s: cut %d bytes to %d and %d", c.name, len(s.Cut.Text), s.Kept, len(tail.Text))
			}
		}

		// Another order, the same sides.
		slices.Reverse(docs)
		again, err := SplitHeldout(docs, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(names(s.Heldout), names(again.Heldout)) {
			t.Errorf("%s: held out %v, in reverse order %v", c.name, names(s.Heldout), names(again.Heldout))
		}
	}
}

func names(docs []Document) []string {
	var out []string
	for _, d := range docs {
		out = append(out, d.Name)
	}
	slices.Sort(out)
	return out
}

func TestSplitNote(t *testing.T) {
	for _, c := range []struct {
		sizes []int
		want  string
	}{
		{slices.Repeat([]int{1000}, 30), "data: held out 6.7 % of the text, 2.0 kB: 2 documents"},
		{[]int{20000}, "data: held out 5.1 % of the text, 1.0 kB: the last 1.0 kB of doc0 (20.0 kB)"},
		{[]int{300, 2000000}, "data: held out 5.0 % of the text, 100.0 kB: 1 documents and the last 99.7 kB of doc1 (2.0 MB)"},
	} {
		docs := makeDocs(c.sizes...)
		s, err := SplitHeldout(docs, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.note(TextBytes(docs)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSplitKeepsCopiesTogether(t *testing.T) {
	docs := makeDocs(slices.Repeat([]int{1000}, 60)...)
	for i := range 60 {
		docs = append(docs, Document{fmt.Sprintf("copy%d", i), docs[i].Text})
	}
	s, err := SplitHeldout(docs, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]bool)
	for _, d := range s.Heldout {
		texts[string(d.Text)] = true
	}
	for _, d := range s.Train {
		if texts[string(d.Text)] {
			t.Errorf("%s has a copy in the held-out text", d.Name)
		}
	}
}

// Of two copies neither's tail is trained on where one's is held out.
func TestSplitCutsCopiesAlike(t *testing.T) {
	docs := makeDocs(20000, 500)
	docs = append(docs, Document{"copy", docs[0].Text})
	s, err := SplitHeldout(docs, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Train) != 2 || len(s.Heldout) != 2 || s.Kept < 17000 || len(s.Train[0].Text) != s.Kept || len(s.Train[1].Text) != s.Kept {
		t.Errorf("trained on %d texts, held out %d, kept %d", len(s.Train), len(s.Heldout), s.Kept)
	}
}

func TestSplitErrors(t *testing.T) {
	_, err := SplitHeldout(nil, 0.1)
	wantError(t, "nothing", err, "no documents")
	_, err = SplitHeldout([]Document{{"x.txt", []byte("a")}}, 0.5)
	wantError(t, "one byte", err, "x.txt: 1 bytes are too few")
}

// A tail must not start in the middle of a character.
func TestSplitTailAtCharacter(t *testing.T) {
	text := []byte(strings.Repeat("漢", 1000))
	s, err := SplitHeldout([]Document{{"cjk", text}}, 0.1001)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Train[0].Text)%3 != 0 || len(s.Heldout[0].Text)%3 != 0 {
		t.Errorf("cut at byte %d of characters of 3", len(s.Train[0].Text))
	}
}

// The rule of runs that are under way: what it held out it still does.
func TestOldSplit(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		held  []string
		bytes int64
	}{
		{"ten alike", slices.Repeat([]int{1000}, 10), []string{"doc5"}, 1000},
		{"three alike", []int{1000, 1000, 1000}, []string{"doc2"}, 1000},
		{"three uneven", []int{45000, 27000, 28000}, []string{"doc1"}, 27000},
		{"two alike", []int{10000, 10000}, []string{"doc0 (tail)"}, 1000},
		{"one long, one short", []int{100000, 90}, []string{"doc0 (tail)", "doc1"}, 5098},
	} {
		s, err := oldRule{}.splitText(makeDocs(c.sizes...), 0.05)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(s.Heldout); !slices.Equal(got, c.held) || TextBytes(s.Heldout) != c.bytes {
			t.Errorf("%s: held out %v, %d bytes; want %v, %d", c.name, got, TextBytes(s.Heldout), c.held, c.bytes)
		}
	}
}
