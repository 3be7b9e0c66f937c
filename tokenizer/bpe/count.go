package bpe

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/internal/words"
)

// countedWord is a word of the text and how often it occurs.
type countedWord struct {
	text  string
	count int64
}

// samplePiece is the size of the parts that a sample takes or leaves.
const samplePiece = 16 << 10

// countWords counts the words of at most limit bytes of text, spread evenly
// over the texts, and returns them in the order of their bytes with the
// number of bytes read.
func countWords(ctx context.Context, texts [][]byte, limit int64) ([]countedWord, int64, error) {
	sample, size := samplePieces(texts, limit)
	workers := runtime.GOMAXPROCS(0)
	counts := make([]map[string]*int64, workers)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			mine := make(map[string]*int64)
			counts[worker] = mine
			for i := worker; i < len(sample) && ctx.Err() == nil; i += workers {
				for text := sample[i]; len(text) > 0; {
					n := words.Next(text)
					if count := mine[string(text[:n])]; count != nil {
						*count++
					} else {
						one := int64(1)
						mine[string(text[:n])] = &one
					}
					text = text[n:]
				}
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("counting words: %w", err)
	}
	total := counts[0]
	for _, others := range counts[1:] {
		for word, count := range others {
			if sum := total[word]; sum != nil {
				*sum += *count
			} else {
				total[word] = count
			}
		}
	}
	counted := make([]countedWord, 0, len(total))
	for text, count := range total {
		counted = append(counted, countedWord{text, *count})
	}
	slices.SortFunc(counted, func(a, b countedWord) int { return cmp.Compare(a.text, b.text) })
	return counted, size, nil
}

// samplePieces takes a piece whenever less than the wanted share of the text
// before its end has been taken.
func samplePieces(texts [][]byte, limit int64) (sample [][]byte, size int64) {
	var total, seen int64
	for _, text := range texts {
		total += int64(len(text))
	}
	share := 1.0
	if total > limit {
		share = float64(limit) / float64(total)
	}
	for _, text := range texts {
		for part := range tokenizer.Parts(text, samplePiece, words.CutAtLine) {
			n := int64(len(part))
			seen += n
			if share == 1 || float64(size+n) <= share*float64(seen) {
				sample = append(sample, part)
				size += n
			}
		}
	}
	if len(sample) == 0 && len(texts) > 0 { // one piece without a line's end, longer than the limit
		text := texts[0][:min(int64(len(texts[0])), limit)]
		return [][]byte{text}, int64(len(text))
	}
	return sample, size
}
