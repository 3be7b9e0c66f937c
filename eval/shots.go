package eval

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"mobilellm/data/ingest"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// shotSeed is lm-evaluation-harness's --seed for examples.
const shotSeed = 1234

// WithShots is the task with k examples before each question.
func (t Task) WithShots(k int) Task {
	if k != t.Shots {
		t.Name = strings.TrimSuffix(t.Name, fmt.Sprintf("_%dshot", t.Shots))
		if k > 0 {
			t.Name += "_" + strconv.Itoa(k) + "shot"
		}
	}
	t.Shots = k
	return t
}

// addShots draws each item's examples as lm-evaluation-harness does: from the training
// split, by one random.Random(1234) for all items in their order. One more is drawn and
// the item's own record left out, unless it is a test split's. The examples are those of
// the file beside it, or where there is none of the scored file itself.
func (t Task) addShots(ctx context.Context, items []Item, records []string, file string, p Protocol) error {
	pool, keys, own := items, records, true
	if train, ok := t.examplesBeside(file); ok {
		var err error
		if pool, keys, err = t.read(ctx, train, p); err != nil {
			return err
		}
		own = false
	}
	spare := 0
	if own || !t.Test {
		spare = 1
	}
	if len(pool) < t.Shots+spare {
		return fmt.Errorf("%s: %d examples, too few to draw %d", ingest.Clean(file), len(pool), t.Shots+spare)
	}
	texts := make([]string, len(pool))
	for i := range pool {
		texts[i] = t.example(pool[i])
	}
	random := python.NewRandom(shotSeed)
	for i := range items {
		items[i].Shots = draw(random, texts, keys, records[i], t.Shots, spare)
	}
	return nil
}

// draw takes n texts but those whose key is the item's own.
func draw(random *python.Random, texts, keys []string, key string, n, spare int) []string {
	shots := make([]string, 0, n)
	for _, j := range random.Sample(len(texts), n+spare) {
		if len(shots) < n && (spare == 0 || keys[j] != key) {
			shots = append(shots, texts[j])
		}
	}
	if len(shots) == n {
		return shots
	}
	var others []string // the record came more than once
	for j := range texts {
		if keys[j] != key {
			others = append(others, texts[j])
		}
	}
	shots = shots[:0]
	for _, j := range random.Sample(len(others), min(n, len(others))) {
		shots = append(shots, others[j])
	}
	return shots
}

// example is a question with its answer, and what parts it from the next.
func (t Task) example(item Item) string {
	if t.Kind == Generation {
		return item.Requests[0].Context + " " + item.Answers[0] + "\n\n"
	}
	right := item.Requests[item.Gold]
	return right.Context + right.Continuation + "\n\n"
}

// examplesBeside finds the training split in the folder of a file.
func (t Task) examplesBeside(file string) (string, bool) {
	for _, source := range t.Sources {
		if source.Examples == "" {
			continue
		}
		if found, ok := dataset.Find(filepath.Join(filepath.Dir(file), source.Examples)); ok {
			return found, true
		}
	}
	return "", false
}
