package data

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mobilellm/tokenizer"
)

// positions is a teacher that stores each position's own number, and the rest of
// it by 100.
type positions struct{ broken int64 }

func (positions) Top() int { return 2 }

func (p positions) Read(ids []int32, logp []float32, at int64) error {
	for i := range ids {
		n := at + int64(i/2)
		if p.broken > 0 && n == p.broken {
			return errors.New("a broken block")
		}
		ids[i], logp[i] = int32(n), float32(n%100)
	}
	return nil
}

// Every row has what the teacher stored of the positions that it was read from,
// in later epochs too, whose windows start elsewhere and go over the end.
func TestLoaderTeacher(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(300), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 3, Seq: 32, Seed: 3, Teacher: positions{}})
	sampler, err := NewSampler(corpus.Len(), 32, 3)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := false
	for step := range 20 * corpus.Len() / (3 * 32) {
		b := next(t, l)
		for row := range 3 {
			_, start, _ := sampler.Sample(step*3 + int64(row))
			for j := range 32 {
				at := (start + int64(j)) % corpus.Len()
				wrapped = wrapped || start+int64(j) >= corpus.Len()
				for i := range 2 {
					k := (row*32+j)*2 + i
					if b.TopIDs[k] != int32(at) || b.TopLogP[k] != float32(at%100) {
						t.Fatalf("step %d, row %d, position %d: %d, want %d", step, row, j, b.TopIDs[k], at)
					}
				}
			}
		}
		b.Release()
	}
	if !wrapped {
		t.Error("no window went over the end")
	}
}

func TestLoaderTeacherError(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(300), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 3, Seq: 32, Seed: 3, Teacher: positions{broken: corpus.Len() / 2}})
	for range corpus.Len() / 32 {
		b, err := l.Next(context.Background())
		if err != nil {
			if !strings.Contains(err.Error(), "a broken block") || !strings.Contains(err.Error(), "step ") {
				t.Error(err)
			}
			return
		}
		b.Release()
	}
	t.Error("the broken block was not told")
}
