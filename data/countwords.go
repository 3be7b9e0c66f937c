package data

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
)

// countedWord is a word of the text and how often it occurs.
type countedWord struct {
	text  string
	count int64
}

// samplePiece is the size of the parts that a sample takes or leaves.
const samplePiece = 16 << 10

// countWords counts the words of at most limit bytes of text, spread evenly
// over the documents, and returns them in the order of their bytes with the
// number of bytes read.
func countWords(ctx context.Context, docs []Document, limit int64) ([]countedWord, int64, error) {
	sample, size := samplePieces(docs, limit)
	workers := runtime.GOMAXPROCS(0)
	counts := make([]map[string]*int64, workers)
	inParallel(workers, func(worker int) {
		mine := make(map[string]*int64)
		counts[worker] = mine
		for i := worker; i < len(sample) && ctx.Err() == nil; i += workers {
			for text := sample[i]; len(text) > 0; {
				n := nextWord(text)
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
	words := make([]countedWord, 0, len(total))
	for text, count := range total {
		words = append(words, countedWord{text, *count})
	}
	slices.SortFunc(words, func(a, b countedWord) int { return cmp.Compare(a.text, b.text) })
	return words, size, nil
}

// samplePieces takes a piece whenever less than the wanted share of the text
// before its end has been taken.
func samplePieces(docs []Document, limit int64) (sample [][]byte, size int64) {
	total := TextBytes(docs)
	share := 1.0
	if total > limit {
		share = float64(limit) / float64(total)
	}
	var seen int64
	pieces(docs, samplePiece, cutAtLine, func(p piece) bool {
		seen += int64(len(p.text))
		if n := int64(len(p.text)); share == 1 || float64(size+n) <= share*float64(seen) {
			sample = append(sample, p.text)
			size += n
		}
		return true
	})
	if len(sample) == 0 && len(docs) > 0 { // one piece without a line's end, longer than the limit
		text := docs[0].Text[:min(int64(len(docs[0].Text)), limit)]
		return [][]byte{text}, int64(len(text))
	}
	return sample, size
}
