package eval

import (
	"path/filepath"
	"strings"

	"mobilellm/eval/dataset"
)

// Text is a task of any text, the whole of which is scored: its loss in nats per token,
// its perplexity per token, and its bits per byte.
func Text(path string) Task {
	measures := []Measure{Loss, TokenPerplexity, BitsPerByte}
	return Task{
		Name: filepath.Base(path), Title: path, Version: "1", Kind: Rolling,
		Reports: map[Protocol][]Measure{LMEval: measures, Paper: measures},
		Read: func(file string) dataset.Records {
			return func(yield func(*dataset.Record, error) bool) {
				text, err := dataset.Text(file)
				yield(dataset.NewRecord(file, map[string]any{"text": text}), err)
			}
		},
		Questions: func(r *dataset.Record, _ Protocol) []Item {
			text := r.Text("text")
			return []Item{{Requests: []Request{{Continuation: text}}, Words: len(strings.Fields(text)), Bytes: len(text)}}
		},
	}
}
