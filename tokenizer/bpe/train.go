package bpe

import (
	"context"
	"fmt"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/internal/merge"
)

// Report says what a BPE was learnt from and what came out.
type Report struct {
	Asked       int   // vocabulary asked for
	Vocab       int   // vocabulary got, special token included
	TextBytes   int64 // bytes of all texts
	SampleBytes int64 // bytes that were counted
	Words       int   // different words in them
	Notes       []string
}

const (
	// sampleBytes is how much text a vocabulary is learnt from: beyond it the
	// pieces hardly change.
	sampleBytes = 32 << 20
	// minVocab is the bytes and the special token.
	minVocab = 257
)

// Train learns a byte-level BPE of vocab ids from texts: the 256 bytes, vocab-257
// merges, [tokenizer.EndOfText]. Of more than 32 MB of text an evenly
// spread part is counted. The result depends on the text and vocab alone:
// the most frequent pair of neighbours is merged first, of equal ones the
// pair of lowest ids.
//
// Text that is too little for vocab gives fewer ids and a note in the report.
// Errors: vocab below 257, and ctx's. progress, which may be nil, is called
// with the pieces learnt so far and the pieces asked for.
//
// Algorithm 1 of Sennrich et al. 2016, with the counts of pairs kept up to
// date instead of counted anew.
func Train(ctx context.Context, texts [][]byte, vocab int, progress func(done, total int)) (*tokenizer.Tokenizer, Report, error) {
	report := Report{Asked: vocab}
	for _, text := range texts {
		report.TextBytes += int64(len(text))
	}
	if vocab < minVocab {
		return nil, report, fmt.Errorf("tokenizer: vocabulary of %d is too small: bytes and %s need %d\nhint: ask for %d or more, or set data.tokenizer to bytes", vocab, tokenizer.EndOfText, minVocab, minVocab)
	}
	words, sampled, err := countWords(ctx, texts, sampleBytes)
	if err != nil {
		return nil, report, err
	}
	report.SampleBytes, report.Words = sampled, len(words)

	learner := merge.NewLearner(asBytes(words))
	target := vocab - 1
	for len(learner.Tokens) < target && learner.Step() {
		if len(learner.Merges)%64 != 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, report, fmt.Errorf("training the tokenizer: %w", err)
		}
		if progress != nil {
			progress(len(learner.Tokens)+1, vocab)
		}
	}
	tokens := make(huggingface.Vocab, len(learner.Tokens)+1)
	for id, token := range learner.Tokens {
		tokens[huggingface.Printable([]byte(token))] = int32(id)
	}
	tokens[tokenizer.EndOfText] = int32(len(learner.Tokens))
	merges := make([]huggingface.Merge, len(learner.Merges))
	for i, m := range learner.Merges {
		merges[i] = huggingface.Merge{huggingface.Printable([]byte(learner.Tokens[m.Left])), huggingface.Printable([]byte(learner.Tokens[m.Right]))}
	}
	report.Vocab = len(tokens)
	if report.Vocab < vocab {
		report.Notes = append(report.Notes, fmt.Sprintf("tokenizer: %d bytes of text give %d pieces, not the %d asked for", sampled, report.Vocab, vocab))
	}
	if sampled < report.TextBytes {
		report.Notes = append(report.Notes, fmt.Sprintf("tokenizer: learnt from %d of %d bytes, spread evenly over the text", sampled, report.TextBytes))
	}
	if progress != nil {
		progress(report.Vocab, vocab)
	}
	tok, err := tokenizer.Learned(tokens, merges)
	return tok, report, err
}

// asBytes makes symbols of words: each starts as its bytes.
func asBytes(counted []countedWord) (words []merge.Word, tokens []string) {
	for b := range 256 {
		tokens = append(tokens, string([]byte{byte(b)}))
	}
	words = make([]merge.Word, len(counted))
	for i, w := range counted {
		words[i] = merge.Word{Symbols: make([]int32, len(w.text)), Count: w.count}
		for j := range len(w.text) {
			words[i].Symbols[j] = int32(w.text[j])
		}
	}
	return words, tokens
}
