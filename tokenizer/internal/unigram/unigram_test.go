package unigram

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"
)

// score is that of the best way by the definition: all ways are tried.
func score(pieces []Piece, unknown float64, text string) float64 {
	if text == "" {
		return 0
	}
	best, whole := math.Inf(-1), false
	_, width := utf8.DecodeRuneInString(text)
	for _, p := range pieces {
		if len(p.Text) <= len(text) && text[:len(p.Text)] == p.Text {
			best = max(best, p.Score+score(pieces, unknown, text[len(p.Text):]))
			whole = whole || len(p.Text) == width
		}
	}
	if !whole {
		best = max(best, unknown+score(pieces, unknown, text[width:]))
	}
	return best
}

func TestAppend(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("abé日")
	random := func(n int) string {
		text := make([]rune, n)
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(text)
	}
	for range 300 {
		pieces := []Piece{}
		for range r.IntN(12) {
			text := random(1 + r.IntN(3))
			if !slices.ContainsFunc(pieces, func(p Piece) bool { return p.Text == text }) {
				pieces = append(pieces, Piece{text, int32(len(pieces) + 1), -float64(r.IntN(16)) / 4})
			}
		}
		m := New(pieces, 0, -14)
		text := random(r.IntN(9))
		sum, from := 0.0, 0
		for _, cut := range m.Append(nil, []byte(text)) {
			if cut.ID == 0 {
				sum -= 14
			} else if p := pieces[cut.ID-1]; p.Text != text[from:cut.End] {
				t.Fatalf("%q from %d to %d is no %q", text, from, cut.End, p.Text)
			} else {
				sum += p.Score
			}
			from = cut.End
		}
		if want := score(pieces, -14, text); from != len(text) || sum != want {
			t.Fatalf("%q by %v: %g, want %g", text, pieces, sum, want)
		}
	}
}

func TestBrokenUTF8(t *testing.T) {
	m := New([]Piece{{"a", 1, -1}, {"é", 2, -1}}, 0, -11)
	got := m.Append(nil, []byte("a\xffé\xc3"))
	want := []Cut{{1, 1}, {2, 0}, {4, 2}, {5, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
