package sentencepiece

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/merge"
)

const (
	// maxPiece is the length of the longest piece in characters, as in LLaMA's
	// model.
	maxPiece = 16
	// coverage is the share of the text's characters that get pieces; the
	// others are written in bytes.
	coverage = 0.9995
	// fixedPieces are <unk>, <s>, </s> and the 256 bytes.
	fixedPieces = 3 + 256
)

// Learnt says what a vocabulary was learnt from.
type Learnt struct {
	Asked, Vocab int
	Characters   int // different characters with a piece of their own
	Words        int // different words
}

// Train learns a BPE model of vocab pieces from the counts of the words of a
// text: <unk>, <s>, </s>, 256 bytes, the merges in the order learnt, the
// characters. The text is not normalised but for its blanks, digits stand
// alone, and what has no piece is written in bytes, as in LLaMA's model. The
// result depends on counts and vocab alone.
//
// A text that is too little for vocab gives fewer pieces. Errors: a vocab that
// does not hold the fixed pieces and as many characters as occur often, and
// ctx's. progress, which may be nil, hears of the pieces learnt.
func Train(ctx context.Context, counts *WordCounts, vocab int, progress func(done, total int)) (*Model, Learnt, error) {
	report := Learnt{Asked: vocab, Words: len(counts.words)}
	alphabet := counts.alphabet()
	if len(alphabet) == 0 {
		return nil, report, fmt.Errorf("no text to learn a vocabulary from")
	}
	if need := fixedPieces + len(alphabet); vocab < need {
		return nil, report, fmt.Errorf("vocabulary of %d is too small: the bytes and the %d characters that occur often need %d", vocab, len(alphabet), need)
	}
	report.Characters = len(alphabet)
	tokens := make([]string, len(alphabet))
	symbols := make(map[rune]int32, len(alphabet))
	for i, r := range alphabet {
		tokens[i], symbols[r] = string(r), int32(i)
	}
	learner := merge.NewLearner(counts.symbols(symbols), tokens)
	learner.Allowed = func(token string) bool { return utf8.RuneCountInString(token) <= maxPiece }
	for step := 0; len(learner.Tokens) < vocab-fixedPieces && learner.Step(); step++ {
		if step%64 != 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, report, fmt.Errorf("training the tokenizer: %w", err)
		}
		if progress != nil {
			progress(fixedPieces+len(learner.Tokens), vocab)
		}
	}
	w := Writer{
		Unknown: 0, BOS: 1, EOS: 2,
		Pieces:       pieces(learner.Tokens[:len(alphabet)], learner.Tokens[len(alphabet):]),
		Normalizer:   Normalizer{Name: "identity", AddDummyPrefix: true, EscapeBlanks: true},
		ByteFallback: true, Coverage: coverage, MaxPiece: maxPiece, UnkSurface: " ⁇ ",
	}
	report.Vocab = len(w.Pieces)
	model, err := Parse(w.Bytes())
	return model, report, err
}

// pieces lays out the vocabulary; a piece's score is minus its rank.
func pieces(characters, merged []string) []Piece {
	all := []Piece{{"<unk>", 0, Unknown}, {"<s>", 0, Control}, {"</s>", 0, Control}}
	for b := range 256 {
		all = append(all, Piece{fmt.Sprintf("<0x%02X>", b), 0, Byte})
	}
	for rank, text := range slices.Concat(merged, characters) {
		all = append(all, Piece{text, -float32(rank), Normal})
	}
	return all
}

// alphabet lists the characters of the text, most frequent first, up to
// coverage.
func (c *WordCounts) alphabet() []rune {
	counts := make(map[rune]int64)
	var total int64
	for word, count := range c.words {
		for _, r := range word {
			counts[r] += *count
			total += *count
		}
	}
	all := make([]rune, 0, len(counts))
	for r := range counts {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b rune) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	var seen int64
	for i, r := range all {
		if float64(seen) >= coverage*float64(total) {
			return all[:i]
		}
		seen += counts[r]
	}
	return all
}

// symbols lists the words in the order of their bytes; a character without a
// piece parts a word in two.
func (c *WordCounts) symbols(of map[rune]int32) []merge.Word {
	texts := make([]string, 0, len(c.words))
	for text := range c.words {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	var words []merge.Word
	for _, text := range texts {
		var run []int32
		flush := func() {
			if len(run) > 1 {
				words = append(words, merge.Word{Symbols: run, Count: *c.words[text]})
			}
			run = nil
		}
		for _, r := range text {
			if id, ok := of[r]; ok {
				run = append(run, id)
			} else {
				flush()
			}
		}
		flush()
	}
	return words
}
