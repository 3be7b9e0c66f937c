// Package rouge has ROUGE-1 and ROUGE-L (Lin, "ROUGE: a package for automatic evaluation of
// summaries", 2004) as PyPI's rouge-score 0.1.2 measures them without a stemmer, which is
// its default: words are runs of a-z and 0-9 in small letters.
package rouge

import (
	"strings"

	"mobilellm/eval/internal/python"
)

// words are those of a text.
func words(text string) []string {
	return strings.FieldsFunc(python.Lower(text), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// One is ROUGE-1: the F1 of words, each counted as often as both texts have it.
func One(target, text string) float64 {
	want, got := words(target), words(text)
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	same := 0
	for _, w := range got {
		if left[w] > 0 {
			left[w]--
			same++
		}
	}
	return f1(same, len(want), len(got))
}

// L is ROUGE-L: the F1 of the longest words in both texts' order.
func L(target, text string) float64 {
	want, got := words(target), words(text)
	// longest[j] is that of the words of want so far and the first j of got.
	longest := make([]int, len(got)+1)
	for _, w := range want {
		before := 0 // longest[j] without w
		for j, g := range got {
			was := longest[j+1]
			switch {
			case w == g:
				longest[j+1] = before + 1
			case longest[j] > longest[j+1]:
				longest[j+1] = longest[j]
			}
			before = was
		}
	}
	return f1(longest[len(got)], len(want), len(got))
}

func f1(same, want, got int) float64 {
	if same == 0 {
		return 0
	}
	precision, recall := float64(same)/float64(got), float64(same)/float64(want)
	return 2 * precision * recall / (precision + recall)
}
