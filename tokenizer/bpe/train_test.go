package bpe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

func TestTrainBPEWithLittleText(t *testing.T) {
	docs := [][]byte{[]byte("abababab cd\n")}
	calls := 0
	bpe, report, err := Train(context.Background(), docs, 5000, func(done, total int) {
		calls++
		if done > total || total != 5000 {
			t.Errorf("progress %d of %d", done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// ab, abab: no other pair occurs twice.
	if bpe.VocabSize() != 259 || report.Vocab != 259 || report.Asked != 5000 || calls == 0 {
		t.Errorf("%d ids, report %+v, %d calls of progress", bpe.VocabSize(), report, calls)
	}
	if len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "12 bytes of text give 259 pieces, not the 5000 asked for") {
		t.Errorf("notes %q", report.Notes)
	}
	none, _, err := Train(context.Background(), nil, 300, nil)
	if err != nil || none.VocabSize() != minVocab {
		t.Errorf("no text: %v, %v", none, err)
	}
}

func TestTrainBPEErrors(t *testing.T) {
	_, _, err := Train(context.Background(), nil, 256, nil)
	wantError(t, "vocabulary", err, "vocabulary of 256 is too small", "need 257", "hint: ")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err = Train(ctx, [][]byte{[]byte("text")}, 300, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled training: %v", err)
	}
}

// The vocabulary must not depend on how many workers count the words.
func TestTrainBPEIsDeterministic(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var docs [][]byte
	for range 40 {
		var text strings.Builder
		for range 400 {
			fmt.Fprintf(&text, "%c%c%d ", 'a'+r.IntN(4), 'a'+r.IntN(4), r.IntN(30))
		}
		docs = append(docs, []byte(text.String()))
	}
	var prints []string
	for _, workers := range []int{1, 2, 5} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
		bpe, _, err := Train(context.Background(), docs, 400, nil)
		if err != nil {
			t.Fatal(err)
		}
		prints = append(prints, bpe.Fingerprint())
	}
	if prints[0] != prints[1] || prints[0] != prints[2] {
		t.Errorf("fingerprints with 1, 2 and 5 workers: %v", prints)
	}
}

func TestSampleIsSpreadEvenly(t *testing.T) {
	var docs [][]byte
	for i := range 100 {
		docs = append(docs, []byte(strings.Repeat(string(rune('A'+i%26))+" line\n", 2000+100*(i%7))))
	}
	limit := int64(200_000)
	sample, size := samplePieces(docs, limit)
	if size > limit || size < limit*9/10 {
		t.Errorf("sample of %d bytes, want just below %d", size, limit)
	}
	letters := make(map[byte]bool)
	for _, s := range sample {
		letters[s[0]] = true
	}
	if len(letters) < 8 {
		t.Errorf("sample of %d pieces has only the letters %v", len(sample), letters)
	}
	if _, size := samplePieces(docs, 1<<40); size != textBytes(docs) {
		t.Errorf("sample without a limit has %d bytes of %d", size, textBytes(docs))
	}
	one := [][]byte{[]byte(strings.Repeat("x", 100_000))}
	if sample, size := samplePieces(one, 1000); size != 1000 || len(sample) != 1 {
		t.Errorf("sample of one long word: %d pieces of %d bytes", len(sample), size)
	}
}

func textBytes(texts [][]byte) (n int64) {
	for _, text := range texts {
		n += int64(len(text))
	}
	return n
}
