package eval_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"mobilellm/eval"
)

// TestAnswers compares with the harness's exact_match and SQuAD's F1
// (tasks/testdata/harness.py).
func TestAnswers(t *testing.T) {
	var cases []struct {
		Text       string
		Answers    []string
		ExactMatch float64 `json:"exact_match"`
		F1         float64
	}
	text, err := os.ReadFile("tasks/testdata/answers.json")
	if err == nil {
		err = json.Unmarshal(text, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		item, answer := eval.Item{Answers: c.Answers}, eval.Answer{Text: c.Text}
		if got := eval.ExactMatch.Item(item, answer); got != c.ExactMatch {
			t.Errorf("%q of %q: exact_match %v, want %v", c.Text, c.Answers, got, c.ExactMatch)
		}
		if got := eval.F1.Item(item, answer); math.Abs(got-c.F1) > 1e-15 {
			t.Errorf("%q of %q: f1 %v, want %v", c.Text, c.Answers, got, c.F1)
		}
	}
}

func TestChoices(t *testing.T) {
	item := func(gold int, texts ...string) eval.Item {
		i := eval.Item{Gold: gold}
		for _, text := range texts {
			i.Requests = append(i.Requests, eval.Request{Continuation: " " + text, Choice: text})
		}
		return i
	}
	scores := func(values ...float64) eval.Answer {
		var a eval.Answer
		for _, v := range values {
			a.Scores = append(a.Scores, eval.Score{LogProb: v})
		}
		return a
	}
	prior := scores(-2, -3)
	prior.Scores[0].Prior, prior.Scores[1].Prior = -1, -4
	for name, c := range map[string]struct {
		measure eval.Measure
		item    eval.Item
		answer  eval.Answer
		want    float64
	}{
		"the likeliest":                   {eval.Acc, item(1, "a", "b"), scores(-2, -1), 1},
		"of equal ones the first":         {eval.Acc, item(0, "a", "b", "c"), scores(-1, -1, -1), 1},
		"of equal ones not the second":    {eval.Acc, item(1, "a", "b"), scores(-1, -1), 0},
		"of five":                         {eval.Acc, item(4, "a", "b", "c", "d", "e"), scores(-5, -4, -3, -2, -1), 1},
		"by length":                       {eval.AccNorm, item(1, "ab", "abcdef"), scores(-2, -5), 1},
		"length is characters, not bytes": {eval.AccNorm, item(1, "éé", "abc"), scores(-3, -4), 1},
		"equal by length, the first":      {eval.AccNorm, item(0, "ab", "abcd"), scores(-1, -2), 1},
		"over the prior":                  {eval.AccPrior, item(1, "a", "b"), prior, 1},
		"the same without":                {eval.Acc, item(1, "a", "b"), prior, 0},
		"impossible choices, the first":   {eval.Acc, item(0, "a", "b"), scores(math.Inf(-1), math.Inf(-1)), 1},
		"every token the likeliest":       {eval.AccGreedy, item(0, "a"), eval.Answer{Scores: []eval.Score{{Greedy: true}}}, 1},
		"not every token the likeliest":   {eval.AccGreedy, item(0, "a"), scores(-1), 0},
	} {
		if got := c.measure.Item(c.item, c.answer); got != c.want {
			t.Errorf("%s: %s %v, want %v", name, c.measure.Name, got, c.want)
		}
	}
}

func TestPerplexities(t *testing.T) {
	items := []eval.Item{{Words: 2, Bytes: 8}, {Words: 2, Bytes: 8}}
	answers := []eval.Answer{
		{Scores: []eval.Score{{LogProb: -3, Tokens: 4}}},
		{Scores: []eval.Score{{LogProb: -1, Tokens: 4}}},
	}
	for _, c := range []struct {
		measure eval.Measure
		want    float64
	}{
		{eval.Perplexity, math.Exp(2)},
		{eval.TokenPerplexity, math.Exp(0.5)},
		{eval.WordPerplexity, math.E},
		{eval.BytePerplexity, math.Exp(0.25)},
		{eval.BitsPerByte, 0.25 / math.Ln2},
	} {
		if got := c.measure.Total(items, answers); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%s %v, want %v", c.measure.Name, got, c.want)
		}
		if !c.measure.Lower {
			t.Errorf("%s: lower is better", c.measure.Name)
		}
	}
}
