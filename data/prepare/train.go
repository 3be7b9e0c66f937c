package prepare

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"unicode/utf8"

	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
	"mobilellm/tokenizer/sentencepiece"
)

// TrainOptions say from what text to learn a SentencePiece vocabulary.
type TrainOptions struct {
	Inputs    []string // as of Options
	Kind      ingest.Kind
	Field     string // of JSON objects
	Column    string // of parquet files
	Separator string // between the documents of one text, empty for none
	LeaveOut  string // a file or folder that is no input where it lies in one, such as the model to be written
	Vocab     int

	Workers int // 0 is the number of processors
	// Progress hears of the stages "count" (bytes of the files) and "merge"
	// (pieces).
	Progress func(stage string, done, total int64)
}

// TrainReport says what a vocabulary was learnt from.
type TrainReport struct {
	sentencepiece.Learnt
	Documents int64
	TextBytes int64
	Skipped   int64 // documents that cannot be read
}

// TrainTokenizer learns a vocabulary from text. All of the text is counted,
// whatever its size: memory holds its different words.
func TrainTokenizer(ctx context.Context, o TrainOptions) (*sentencepiece.Model, TrainReport, error) {
	var report TrainReport
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Field == "" {
		o.Field = data.TextField
	}
	if o.Column == "" {
		o.Column = data.TextField
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	inputs, total, err := listInputs(o.Inputs, o.LeaveOut)
	if err != nil {
		return nil, report, err
	}
	counts, err := o.count(ctx, inputs, total, &report)
	if err != nil {
		return nil, report, err
	}
	model, learnt, err := sentencepiece.Train(ctx, counts, o.Vocab, func(done, total int) { o.Progress("merge", int64(done), int64(total)) })
	report.Learnt = learnt
	return model, report, err
}

// count counts words on all processors.
func (o *TrainOptions) count(ctx context.Context, inputs []input, total int64, report *TrainReport) (*sentencepiece.WordCounts, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The byte tokenizer's texts may be cut at lines, where no word reaches over.
	s := &source{inputs: inputs, ahead: newAhead(), Options: &Options{Kind: o.Kind, Column: o.Column, Separator: o.Separator, Tokenizer: tokenizer.Bytes()}}
	work := make(chan *batch, o.Workers)
	var group sync.WaitGroup
	group.Go(func() {
		defer close(work)
		s.run(ctx, func(b *batch) bool {
			o.Progress("count", s.read.Load(), total)
			select {
			case work <- b:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	var mutex sync.Mutex
	all := sentencepiece.NewWordCounts()
	for range o.Workers {
		group.Go(func() {
			mine := counted{words: sentencepiece.NewWordCounts()}
			for b := range work {
				for i := range b.items {
					if it := &b.items[i]; it.ends {
						stop(it.fileErr)
					} else {
						mine.add(it, o)
					}
				}
				s.ahead.release(b.bytes)
			}
			mutex.Lock()
			defer mutex.Unlock()
			all.Merge(mine.words)
			report.Documents += mine.documents
			report.TextBytes += mine.bytes
			report.Skipped += mine.skipped
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("counting words: %w", err)
	}
	return all, nil
}

// counted is what one goroutine has counted.
type counted struct {
	words                     *sentencepiece.WordCounts
	documents, bytes, skipped int64
	parts                     []ingest.Record // scratch
}

// add counts the documents of a record. Bytes that are not UTF-8 end a word.
func (c *counted) add(it *item, o *TrainOptions) {
	if it.fileErr != nil {
		c.skipped++
		return
	}
	c.parts = it.AppendDocuments(c.parts[:0], o.Field, o.Separator)
	for _, d := range c.parts {
		if d.Err != nil {
			c.skipped++
			continue
		}
		if c.bytes += int64(len(d.Text)); d.Last {
			c.documents++
		}
		if !utf8.Valid(d.Text) {
			d.Text = bytes.ToValidUTF8(d.Text, []byte(" "))
		}
		c.words.Add(d.Text)
	}
}
