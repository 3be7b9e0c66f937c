package eval

import (
	"slices"
	"strings"

	"mobilellm/eval/internal/python"
)

// Measures of generated text, of which white space around it does not count. An answer
// may be any of the item's.
var (
	// ExactMatch ignores case and ASCII punctuation, as lm-evaluation-harness does for
	// TriviaQA.
	ExactMatch = Measure{Name: "exact_match", Item: func(item Item, a Answer) float64 {
		text := plain(python.Strip(a.Text))
		return indicator(slices.ContainsFunc(item.Answers, func(answer string) bool { return plain(answer) == text }))
	}}
	// F1 is SQuAD's: the harmonic mean of precision and recall of words, of the best of
	// the answers (Rajpurkar et al., 2016, section 6.1).
	F1 = Measure{Name: "f1", Item: func(item Item, a Answer) float64 {
		best, text := 0.0, wordsOf(a.Text)
		for _, answer := range item.Answers {
			best = max(best, overlap(text, wordsOf(answer)))
		}
		return best
	}}
)

// plain is a text in small letters without punctuation.
func plain(text string) string { return python.WithoutPunctuation(python.Lower(text)) }

// wordsOf are a text's words in small letters without punctuation and articles.
func wordsOf(text string) []string {
	return strings.FieldsFunc(withoutArticles(plain(text)), python.IsSpace)
}

// withoutArticles puts a space for a, an and the where letters, digits and underscores
// make up no longer word.
func withoutArticles(text string) string {
	var out strings.Builder
	inWord := func(r rune) bool { return python.IsAlnum(r) || r == '_' }
	for len(text) > 0 {
		end := strings.IndexFunc(text, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(text)
		}
		switch word := text[:end]; word {
		case "a", "an", "the":
			out.WriteByte(' ')
		default:
			out.WriteString(word)
		}
		text = text[end:]
		next := strings.IndexFunc(text, inWord)
		if next < 0 {
			next = len(text)
		}
		out.WriteString(text[:next])
		text = text[next:]
	}
	return out.String()
}

// overlap is the F1 of words, each counted as often as it comes.
func overlap(text, answer []string) float64 {
	left := make(map[string]int)
	for _, word := range answer {
		left[word]++
	}
	same := 0
	for _, word := range text {
		if left[word] > 0 {
			left[word]--
			same++
		}
	}
	if same == 0 {
		return 0
	}
	precision, recall := float64(same)/float64(len(text)), float64(same)/float64(len(answer))
	return 2 * precision * recall / (precision + recall)
}
