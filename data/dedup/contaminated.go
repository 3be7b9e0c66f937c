package dedup

import (
	"fmt"
	"io"

	"mobilellm/data/ingest"
)

// TaskWords is the length of the runs of words that a document must not share
// with a benchmark.
const TaskWords = 13

// Tasks are the runs of words of benchmark sets.
type Tasks struct {
	Names []string // of their files
	Items []int    // by file: texts that are long enough
	Short []int    // by file: texts of fewer than TaskWords words, which are not looked for
	grams map[uint64]int32
}

// ReadTasks reads the files of benchmark sets: of JSON files every string in
// every line or item, of others the lines.
func ReadTasks(files []string) (*Tasks, error) {
	t := &Tasks{grams: make(map[uint64]int32)}
	for _, file := range files {
		if err := t.read(file); err != nil {
			return nil, fmt.Errorf("benchmark set: %w", err)
		}
	}
	if len(t.grams) == 0 {
		return nil, fmt.Errorf("benchmark sets: no text of %d words in %d files", TaskWords, len(files))
	}
	return t, nil
}

func (t *Tasks) read(file string) error {
	task := len(t.Names)
	t.Names, t.Items, t.Short = append(t.Names, file), append(t.Items, 0), append(t.Short, 0)
	in, err := ingest.Open(file, ingest.Options{Split: ingest.ByLine})
	if err != nil {
		return err
	}
	defer in.Close()
	for {
		record, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = record.Err
		}
		if err != nil {
			return err
		}
		if !record.JSON {
			t.add(task, record.Text)
			continue
		}
		if err := record.EachString(func(text []byte) { t.add(task, text) }); err != nil {
			return fmt.Errorf("%s: %w", ingest.Clean(record.Name), err)
		}
	}
}

func (t *Tasks) add(task int, text []byte) {
	words := grams(text, TaskWords, func(gram uint64) {
		if _, known := t.grams[gram]; !known {
			t.grams[gram] = int32(task)
		}
	})
	switch {
	case words >= TaskWords:
		t.Items[task]++
	case words > 0:
		t.Short[task]++
	}
}

// Grams is the number of different runs of words.
func (t *Tasks) Grams() int { return len(t.grams) }

// Shared returns the number in Names of the first benchmark set with which a
// document shares a run of words, -1 for none. A run that several sets have
// counts for the first.
func (t *Tasks) Shared(text []byte) int {
	found := -1
	grams(text, TaskWords, func(gram uint64) {
		if found >= 0 {
			return
		}
		if task, ok := t.grams[gram]; ok {
			found = int(task)
		}
	})
	return found
}
