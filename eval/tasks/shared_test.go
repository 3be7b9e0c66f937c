package tasks_test

import (
	"os"
	"path/filepath"
	"testing"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
)

const sharedData = "../../../shared/data/eval"

// TestAllItems counts the items of the whole data sets.
func TestAllItems(t *testing.T) {
	if _, err := os.Stat(sharedData); err != nil {
		t.Skip("no data sets in ../shared")
	}
	want := map[string]int{
		"arc_easy": 2376, "arc_challenge": 1170, "boolq": 3270, "piqa": 1838, "social_iqa": 1954,
		"hellaswag": 10042, "openbookqa": 500, "winogrande": 1267,
		"triviaqa": 3000, "triviaqa_1shot": 3000, "triviaqa_5shot": 3000, "triviaqa_64shot": 3000,
		"race": 1045, "race_middle": 1436, "race_high": 3498, "wikitext2": 62,
	}
	for _, task := range tasks.All() {
		t.Run(task.Name, func(t *testing.T) {
			file, ok := task.File(sharedData)
			if n := want[task.Name]; ok != (n > 0) {
				t.Fatalf("found %q, want %d items", file, n)
			}
			if !ok {
				return
			}
			for _, p := range []eval.Protocol{eval.LMEval, eval.Paper} {
				if len(task.Measures(p)) == 0 {
					continue
				}
				n := want[task.Name]
				if task.Name == "wikitext2" && p == eval.Paper {
					n = 1
				}
				items, err := task.Items(t.Context(), file, p)
				if err != nil || len(items) != n {
					t.Fatalf("%s: %d items, want %d: %v", filepath.Base(file), len(items), n, err)
				}
				seen := make(map[string]int)
				for i, item := range items {
					if first, ok := seen[item.ID]; ok {
						t.Errorf("items %d and %d are both called %s", first, i, item.ID)
					}
					seen[item.ID] = i
				}
			}
		})
	}
}
