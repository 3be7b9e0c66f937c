package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/bpe"
)

func buildCorpus(t testing.TB, docs []Document, tok *tokenizer.Tokenizer) *TokenCorpus {
	t.Helper()
	corpus, err := BuildCorpus(context.Background(), docs, Encoding{Tokenizer: tok})
	if err != nil {
		t.Fatal(err)
	}
	return corpus
}

func readAll(c Corpus) []int32 {
	all := make([]int32, c.Len())
	c.Read(all, 0)
	return all
}

// endOfText is the one special token of bytes.
const endOfText = 256

// sampleBPE is what package bpe learns from its sample.
var sampleBPE = sync.OnceValue(func() *tokenizer.Tokenizer { return loadOrPanic("../tokenizer/bpe/testdata/bpe") })

// llama is a small SentencePiece model with a BOS of its own, see testdata/bos.
var llama = sync.OnceValue(func() *tokenizer.Tokenizer { return loadOrPanic("testdata/bos/st.model") })

func loadOrPanic(path string) *tokenizer.Tokenizer {
	tok, err := tokenizer.Load(path)
	if err != nil {
		panic(err)
	}
	return tok
}

// wide is a tokenizer that needs four bytes for an id: bytes and many more tokens.
var wide = sync.OnceValue(func() *tokenizer.Tokenizer {
	v, err := tokenizer.Bytes().Vocabulary()
	if err != nil {
		panic(err)
	}
	for id := len(v.Tokens); id < 1<<17; id++ {
		v.Tokens = append(v.Tokens, tokenizer.Token{Text: fmt.Sprintf("Ġ%d", id), Type: tokenizer.Normal})
	}
	tok, err := tokenizer.FromVocabulary(v)
	if err != nil {
		panic(err)
	}
	return tok
})

// Each document begins with what opens it, which every policy puts in its place.
func TestCorpus(t *testing.T) {
	docs := makeDocs(300, 1, 400_000, 50)
	for _, tt := range []struct {
		name   string
		tok    *tokenizer.Tokenizer
		policy Start
		opener []int32 // nil: the EOS of the document before
	}{
		{"bytes", tokenizer.Bytes(), StartAuto, nil},
		{"bpe", sampleBPE(), StartAuto, nil},
		{"wide", wide(), StartAuto, nil},
		{"bytes, as before", tokenizer.Bytes(), StartOld, nil},
		{"llama", llama(), StartAuto, []int32{1}},
		{"llama by bos", llama(), StartBOS, []int32{1}},
		{"llama by eos", llama(), StartEOS, nil},
		{"llama, as before", llama(), StartOld, nil},
	} {
		var progress []int64
		config := Config{DocumentStart: tt.policy}
		tok, err := config.opened(tt.tok, tokenSources{})
		if err != nil {
			t.Fatal(err)
		}
		e := config.encoding(tok)
		e.Progress = func(done, _ int64) { progress = append(progress, done) }
		corpus, err := BuildCorpus(context.Background(), docs, e)
		if err != nil {
			t.Fatal(err)
		}
		end, _ := tok.Special().End()
		var want []int32
		var starts []int64
		if tt.opener == nil {
			want = append(want, end)
		}
		for _, d := range docs {
			at := len(want)
			if tt.opener == nil && tt.policy != StartOld {
				at-- // the EOS opens it
			}
			starts = append(starts, int64(at))
			want = append(append(append(want, tt.opener...), tok.EncodeOrdinary(d.Text)...), end)
		}
		if got := readAll(corpus); !slices.Equal(got, want) {
			t.Errorf("%s: the corpus differs from its documents' ids", tt.name)
		}
		if opens := tok.Opening(); !slices.Equal(opens, want[:1]) {
			t.Errorf("%s: a prompt begins with %v, a document with %d", tt.name, opens, want[0])
		}
		if !slices.Equal(corpus.Documents(), starts) {
			t.Errorf("%s: documents at %v, want %v", tt.name, corpus.Documents(), starts)
		}
		if corpus.Bytes() != TextBytes(docs) || corpus.TextBytes(0, corpus.Len()) != TextBytes(docs) {
			t.Errorf("%s: %d and %d bytes, want %d", tt.name, corpus.Bytes(), corpus.TextBytes(0, corpus.Len()), TextBytes(docs))
		}
		if !slices.Equal(progress, []int64{300, 301, 400_301, 400_351}) {
			t.Errorf("%s: progress %v", tt.name, progress)
		}
	}
	a, b := buildCorpus(t, docs, tokenizer.Bytes()), buildCorpus(t, docs[:3], tokenizer.Bytes())
	if a.Fingerprint() == b.Fingerprint() || a.Fingerprint() != buildCorpus(t, docs, tokenizer.Bytes()).Fingerprint() {
		t.Errorf("fingerprints %s and %s", a.Fingerprint(), b.Fingerprint())
	}
}

func TestCorpusErrors(t *testing.T) {
	defer goleak.VerifyNone(t)
	_, err := BuildCorpus(context.Background(), []Document{{}, {}}, Encoding{Tokenizer: tokenizer.Bytes()})
	wantError(t, "empty", err, "no text in 2 documents")
	ctx, cancel := context.WithCancel(context.Background())
	_, err = BuildCorpus(ctx, makeDocs(300_000, 300_000, 300_000), Encoding{Tokenizer: tokenizer.Bytes(), Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	stop := errors.New("stop")
	err = EncodeAll(context.Background(), tokenizer.Bytes(), makeDocs(slices.Repeat([]int{50_000}, 50)...), false,
		func(doc int, _ []int32, _ bool) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("error of emit came back as %v", err)
	}
}

// With a model that gives every id the same probability, bits per byte is
// known: every token but the first costs log2(vocabulary).
func TestHeldoutBatches(t *testing.T) {
	docs := makeDocs(700, 300, 1000)
	tok := sampleBPE()
	corpus := buildCorpus(t, docs, tok)
	all := readAll(corpus)
	for _, c := range []struct{ rows, seq int }{{1, 7}, {3, 16}, {4, 1}, {2, 100_000}, {5, int(corpus.Len()) - 1}} {
		h, err := HeldoutBatches(corpus, c.rows, c.seq, 0)
		if err != nil {
			t.Fatal(err)
		}
		var targets []int32
		batches, nll := 0, 0.0
		for b := range h.All() {
			if b.Step != int64(batches) || len(b.Inputs) != c.rows*c.seq || len(b.Targets) != c.rows*c.seq {
				t.Fatalf("batch %d: step %d, %d inputs", batches, b.Step, len(b.Inputs))
			}
			supervised := 0
			for i, target := range b.Targets {
				if b.Inputs[i] < 0 || int(b.Inputs[i]) >= tok.VocabSize() {
					t.Fatalf("input %d", b.Inputs[i])
				}
				if target == Ignored {
					continue
				}
				if b.Inputs[i] != all[len(targets)] {
					t.Fatalf("input %d before target %d, want %d", b.Inputs[i], target, all[len(targets)])
				}
				targets = append(targets, target)
				nll += math.Log(float64(tok.VocabSize()))
				supervised++
			}
			if supervised != b.Tokens {
				t.Errorf("batch %d supervises %d, says %d", batches, supervised, b.Tokens)
			}
			batches++
		}
		if !slices.Equal(targets, all[1:]) {
			t.Errorf("%d × %d: %d targets are not the corpus's %d tokens but the first", c.rows, c.seq, len(targets), len(all))
		}
		want := math.Log2(float64(tok.VocabSize())) * float64(len(all)-1) / 2000
		if got := nll / math.Ln2 / float64(h.Bytes); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d × %d: %g bits per byte, want %g", c.rows, c.seq, got, want)
		}
		if h.Batches != batches || h.Tokens != int64(len(targets)) || h.Bytes != 2000 {
			t.Errorf("%d × %d: %d batches, %d tokens, %d bytes", c.rows, c.seq, h.Batches, h.Tokens, h.Bytes)
		}
	}
}

func TestHeldoutLimit(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(10_000), tokenizer.Bytes())
	h, err := HeldoutBatches(corpus, 2, 10, 105)
	if err != nil {
		t.Fatal(err)
	}
	if h.Tokens != 100 || h.Bytes != 100 || h.Batches != 5 {
		t.Errorf("%d tokens, %d bytes, %d batches; want 100, 100, 5", h.Tokens, h.Bytes, h.Batches)
	}
	var got []byte
	for b := range h.All() {
		got = append(got, tokenizer.Bytes().Decode(b.Targets)...)
	}
	text := makeDocs(10_000)[0].Text
	for i := range 10 {
		at := i * 1001 / 10 * 10 // 10,002 tokens make 1,001 windows
		if !bytes.Equal(got[i*10:i*10+10], text[at:at+10]) {
			t.Errorf("window %d scores %q, want %q", i, got[i*10:i*10+10], text[at:at+10])
		}
	}
	for b := range h.All() {
		if b.Step > 0 {
			t.Error("All went on after its reader had stopped")
		}
		break
	}
	_, err = HeldoutBatches(corpus, 0, 10, 0)
	wantError(t, "rows", err, "0 × 10")
	_, err = HeldoutBatches(&TokenCorpus{segments: []segment{{short: []uint16{1}}}, tokens: 1}, 1, 1, 0)
	wantError(t, "short", err, "holds 1 tokens, scoring needs 2")
}

// A packed text, read and encoded with a tokenizer that is learnt from it.
func TestCorpusOfFile(t *testing.T) {
	t.Run("testdata", func(t *testing.T) { testCorpusOfFile(t, "testdata/text.txt.gz", 301_077, 1024) })
	t.Run("WikiText-2", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short leaves out: reads 10 MB")
		}
		testCorpusOfFile(t, sharedData(t, "text/wikitext-2/train.txt.gz"), 10_797_148, 4096)
	})
}

func testCorpusOfFile(t *testing.T, path string, size int64, vocab int) {
	docs, _, err := ReadSources(context.Background(), []Source{{Path: path}}, Reading{})
	if err != nil {
		t.Fatal(err)
	}
	learnt, report, err := bpe.Train(context.Background(), texts(docs), vocab, nil)
	if err != nil {
		t.Fatal(err)
	}
	corpus := buildCorpus(t, docs, learnt)
	if corpus.Bytes() != size || report.Vocab != vocab || corpus.Len() > size/2 {
		t.Errorf("%d tokens for %d bytes with %d ids", corpus.Len(), corpus.Bytes(), report.Vocab)
	}
	ids := readAll(corpus)
	if text := learnt.Decode(ids[1 : len(ids)-1]); !bytes.Equal(text, docs[0].Text) {
		t.Error("the corpus does not decode to its text")
	}
}
