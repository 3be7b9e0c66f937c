package merge

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// plain merges by the definition: look at all pairs, take the best, again.
func plain(rules []Rule, word []int32) []int32 {
	for {
		best := Rule{Rank: None}
		at := -1
		for i := range len(word) - 1 {
			for _, r := range rules {
				if r.Pair == Key(word[i], word[i+1]) {
					if r.Rank < best.Rank {
						best, at = r, i
					}
					break
				}
			}
		}
		if at < 0 {
			return word
		}
		word = slices.Concat(word[:at], []int32{best.Joined}, word[at+2:])
	}
}

func TestApply(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var rules []Rule
		for i := range rnd.IntN(30) {
			rules = append(rules, Rule{Key(rnd.Int32N(int32(4+i)), rnd.Int32N(int32(4+i))), rnd.Int32N(8), int32(4 + i)})
		}
		table := NewTable(rules)
		for _, n := range []int{0, 1, 2, 7, 63, 64, 65, 130} {
			word := make([]int32, n)
			for i := range word {
				word[i] = rnd.Int32N(4)
			}
			want := plain(rules, slices.Clone(word))
			if got := table.Apply(nil, slices.Clone(word)); !slices.Equal(got, want) {
				t.Fatalf("%v under %v: %v, want %v", word, rules, got, want)
			}
		}
	}
}
