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

func TestSplitHeldout(t *testing.T) {
	many := make([]int, 200)
	for i := range many {
		many[i] = 900 + 13*(i%17)
	}
	for _, c := range []struct {
		name     string
		sizes    []int
		low, top float64 // held-out share
		whole    bool    // documents only
	}{
		{"many", many, 0.04, 0.07, true},
		{"ten alike", slices.Repeat([]int{1000}, 10), 0.1, 0.1, true},
		{"three alike", []int{1000, 1000, 1000}, 0.3, 0.34, true},
		{"two alike", []int{10000, 10000}, 0.04, 0.07, false},
		{"one long, one short", []int{100000, 90}, 0.04, 0.07, false},
		{"lone", []int{20000}, 0.04, 0.07, false},
	} {
		docs := makeDocs(c.sizes...)
		train, heldout, err := SplitHeldout(docs, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		share := float64(TextBytes(heldout)) / float64(TextBytes(docs))
		if share < c.low || share > c.top || TextBytes(train)+TextBytes(heldout) != TextBytes(docs) {
			t.Errorf("%s: held out %.3f, want %.2f to %.2f; %d + %d of %d bytes", c.name, share, c.low, c.top,
				TextBytes(train), TextBytes(heldout), TextBytes(docs))
		}
		if whole := len(train)+len(heldout) == len(docs); whole != c.whole {
			t.Errorf("%s: %d training and %d held-out documents of %d", c.name, len(train), len(heldout), len(docs))
		}
		if !c.whole {
			tail := heldout[len(heldout)-1]
			if !bytes.HasPrefix(tail.Text, []byte("document ")) {
				t.Errorf("%s: the tail starts with %q, want a line's start", c.name, tail.Text[:20])
			}
		}

		// Another order, the same sides.
		slices.Reverse(docs)
		_, again, err := SplitHeldout(docs, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.sizes) > 2 && !slices.Equal(names(heldout), names(again)) {
			t.Errorf("%s: held out %v, in reverse order %v", c.name, names(heldout), names(again))
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

func TestSplitKeepsCopiesTogether(t *testing.T) {
	docs := makeDocs(slices.Repeat([]int{1000}, 60)...)
	for i := range 60 {
		docs = append(docs, Document{fmt.Sprintf("copy%d", i), docs[i].Text})
	}
	train, heldout, err := SplitHeldout(docs, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]bool)
	for _, d := range heldout {
		texts[string(d.Text)] = true
	}
	for _, d := range train {
		if texts[string(d.Text)] {
			t.Errorf("%s has a copy in the held-out text", d.Name)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	_, _, err := SplitHeldout(nil, 0.1)
	wantError(t, "nothing", err, "no documents")
	_, _, err = SplitHeldout([]Document{{"x.txt", []byte("a")}}, 0.5)
	wantError(t, "one byte", err, "x.txt: 1 bytes are too few")
}

// A tail must not start in the middle of a character.
func TestSplitTailAtCharacter(t *testing.T) {
	text := []byte(strings.Repeat("漢", 1000))
	train, heldout, err := SplitHeldout([]Document{{"cjk", text}}, 0.1001)
	if err != nil {
		t.Fatal(err)
	}
	if len(train[0].Text)%3 != 0 || len(heldout[0].Text)%3 != 0 {
		t.Errorf("cut at byte %d of characters of 3", len(train[0].Text))
	}
}

func TestWithoutHeldout(t *testing.T) {
	train := []Document{{Name: "a/x.txt"}, {Name: "a/y.txt"}, {Name: "go-source/fmt/print.go"}}
	heldout := []Document{{Name: "./a/../a/y.txt"}, {Name: "go-source/fmt/print.go"}}
	rest, shared := WithoutHeldout(train, heldout)
	if shared != 2 || len(rest) != 1 || rest[0].Name != "a/x.txt" {
		t.Errorf("left %v, %d shared", rest, shared)
	}
}
