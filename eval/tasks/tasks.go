package tasks

import (
	"fmt"
	"slices"
	"strings"

	"mobilellm/eval"
)

// All are the tasks, the paper's zero-shot ones first and in its order.
func All() []eval.Task {
	return []eval.Task{
		ARCEasy, ARCChallenge, BoolQ, PIQA, SocialIQA, HellaSwag, OpenBookQA, WinoGrande,
		TriviaQA, TriviaQA.WithShots(1), TriviaQA.WithShots(5), TriviaQA.WithShots(64),
		RACE, RACEMiddle, RACEHigh,
		WikiText2, LAMBADA, COPA, WSC273,
		APICalling, ConstrainedCalling, AlpacaEval, MTBench, PaperPrompts,
	}
}

// Groups are names for several tasks.
var Groups = map[string][]string{
	// ZeroShot is the columns of the paper's Table 3, in its order.
	ZeroShot:            {"arc_easy", "arc_challenge", "boolq", "piqa", "social_iqa", "hellaswag", "openbookqa", "winogrande"},
	"triviaqa_few_shot": {"triviaqa_1shot", "triviaqa_5shot", "triviaqa_64shot"},
	"race_all":          {"race_middle", "race_high"},
}

// ZeroShot is the group of the paper's eight zero-shot tasks.
const ZeroShot = "zero-shot"

// Get returns the tasks of a name, a group's, or several with commas between them.
func Get(names string) ([]eval.Task, error) {
	var got []eval.Task
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		group, ok := Groups[name]
		if !ok {
			group = []string{name}
		}
		for _, name := range group {
			i := slices.IndexFunc(All(), func(t eval.Task) bool { return t.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("no task %q\nhint: there are %s and the groups %s", name, strings.Join(Names(), ", "), strings.Join(groupNames(), ", "))
			}
			if !slices.ContainsFunc(got, func(t eval.Task) bool { return t.Name == name }) {
				got = append(got, All()[i])
			}
		}
	}
	return got, nil
}

// Names are those of all tasks.
func Names() []string {
	var names []string
	for _, t := range All() {
		names = append(names, t.Name)
	}
	return names
}

func groupNames() []string {
	var names []string
	for name := range Groups {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What most tasks report by each protocol.
var (
	// plain is for choices of which lm-evaluation-harness reports acc alone.
	plain = map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.Acc},
		eval.Paper:  {eval.AccNorm, eval.Acc},
	}
	normed = map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.Acc, eval.AccNorm},
		eval.Paper:  {eval.AccNorm, eval.Acc},
	}
)

// prior is the context without a question for the paper's OpenBookQA and BoolQ.
const prior = "Answer:"
