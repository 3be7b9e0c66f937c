package bpe

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/internal/words"
)

var whole = tokenizer.Part{First: true, Last: true}

var update = flag.Bool("update", false, "write the tokenizer files in testdata anew")

// sampleBPE is trained on testdata/sample.txt, with the vocabulary of golden.py.
var sampleBPE = sync.OnceValue(func() *tokenizer.Tokenizer {
	text, err := os.ReadFile("testdata/sample.txt")
	if err != nil {
		panic(err)
	}
	bpe, _, err := Train(context.Background(), [][]byte{text}, 640, nil)
	if err != nil {
		panic(err)
	}
	return bpe
})

// goldenText is a row of testdata/ids.json, written by golden.py.
type goldenText struct {
	Text  string
	Words []int
	BPE   []int32
	Bytes []int32
}

func goldenTexts(t *testing.T) []goldenText {
	t.Helper()
	var rows []goldenText
	readJSON(t, "testdata/ids.json", &rows)
	if len(rows) < 400 {
		t.Fatalf("testdata/ids.json has %d texts, want 400 or more", len(rows))
	}
	return rows
}

func readJSON(t *testing.T, path string, value any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestMergesLearnt(t *testing.T) {
	var want [][2]int32
	readJSON(t, "testdata/merges.json", &want)
	v, err := sampleBPE().Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Merges) != len(want) {
		t.Fatalf("%d merges, want %d", len(v.Merges), len(want))
	}
	for i, m := range v.Merges {
		left, _ := sampleBPE().ID(m[0])
		right, _ := sampleBPE().ID(m[1])
		if got := [2]int32{left, right}; got != want[i] {
			t.Fatalf("merge %d is %v, want %v", i, got, want[i])
		}
	}
}

func TestIDsOfTokenizersLibrary(t *testing.T) {
	bpe := sampleBPE()
	for _, row := range goldenTexts(t) {
		text := []byte(row.Text)
		if got := bpe.Encode(text); !slices.Equal(got, row.BPE) {
			t.Errorf("bpe of %q: %v, want %v", row.Text, got, row.BPE)
		}
		if row.Bytes != nil {
			if got := tokenizer.Bytes().Encode(text); !slices.Equal(got, row.Bytes) {
				t.Errorf("bytes of %q: %v, want %v", row.Text, got, row.Bytes)
			}
		}
		for i, want := range row.Words {
			// The golden length is in characters of the byte-level alphabet: bytes.
			if got := words.Next(text); got != want {
				t.Errorf("%q: word %d has %d bytes, want %d", row.Text, i, got, want)
				break
			}
			text = text[want:]
		}
	}
}

func TestSavedFiles(t *testing.T) {
	for name, tok := range map[string]*tokenizer.Tokenizer{"bpe": sampleBPE(), "bytes": tokenizer.Bytes()} {
		folder := filepath.Join("testdata", name)
		if *update {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := tok.Save(folder); err != nil {
				t.Fatal(err)
			}
			continue // ids.json is written after this, by golden.py
		}
		dir := t.TempDir()
		if err := tok.Save(dir); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"} {
			got, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s/%s differs from the file in testdata", name, file)
			}
		}
		for _, path := range []string{dir, filepath.Join(dir, "tokenizer.json")} {
			loaded, err := tokenizer.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if loaded.Fingerprint() != tok.Fingerprint() || loaded.VocabSize() != tok.VocabSize() {
				t.Errorf("%s: loaded tokenizer %s with %d ids, saved %s with %d", name,
					loaded.Fingerprint(), loaded.VocabSize(), tok.Fingerprint(), tok.VocabSize())
			}
			for _, row := range goldenTexts(t) {
				if !slices.Equal(loaded.Encode([]byte(row.Text)), tok.Encode([]byte(row.Text))) {
					t.Fatalf("%s: loaded and saved tokenizer differ on %q", name, row.Text)
				}
			}
		}
	}
}

func TestSpecialTokens(t *testing.T) {
	for name, tok := range map[string]*tokenizer.Tokenizer{"bpe": sampleBPE(), "bytes": tokenizer.Bytes()} {
		s := tok.Special()
		eos := int32(tok.VocabSize() - 1)
		if s.BOS != eos || !slices.Equal(s.EOS, []int32{eos}) || s.Start != eos || s.PAD != tokenizer.None || s.OwnBOS() {
			t.Errorf("%s: special tokens %+v of %d ids", name, s, tok.VocabSize())
		}
		if got := string(tok.Decode([]int32{eos, -1, int32(tok.VocabSize()), 'a'})); got != tokenizer.EndOfText+"a" {
			t.Errorf("%s: decoded %q", name, got)
		}
	}
	if a, b := sampleBPE().Fingerprint(), tokenizer.Bytes().Fingerprint(); a == b || len(a) != 16 {
		t.Errorf("fingerprints %q and %q", a, b)
	}
}

func TestEncodeConcurrently(t *testing.T) {
	rows := goldenTexts(t)
	bpe, err := tokenizer.Load("testdata/bpe") // with a cold cache
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range rows {
				row := rows[(i+worker*31)%len(rows)]
				if got := bpe.Encode([]byte(row.Text)); !slices.Equal(got, row.BPE) {
					t.Errorf("worker %d: %q: %v, want %v", worker, row.Text, got, row.BPE)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestBrokenUTF8(t *testing.T) {
	for _, text := range []string{"\xff", "a\xc3", "\xc3(", "\xed\xa0\x80", "\xf0\x9f\x99 x", " \x80\x80\n\xfe", "\xc3\xa9\xc3"} {
		for _, tok := range []*tokenizer.Tokenizer{sampleBPE(), tokenizer.Bytes()} {
			if got := string(tok.Decode(tok.Encode([]byte(text)))); got != text {
				t.Errorf("%q came back as %q", text, got)
			}
		}
	}
}

// wantError fails the test unless err has all the parts.
func wantError(t *testing.T, name string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", name, parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error %q does not say %q", name, err, part)
		}
	}
}

func TestSaveIntoMissingFolder(t *testing.T) {
	err := tokenizer.Bytes().Save(filepath.Join(t.TempDir(), "missing"))
	wantError(t, "save", err, "tokenizer: ", "missing")
}

func FuzzRoundTrip(f *testing.F) {
	for _, text := range []string{"func main() {\n\t}\n", "don't 漢字 😀 1234", "\xff\xfe\x00", " \r\n \u00a0", tokenizer.EndOfText + "x" + tokenizer.EndOfText[:5]} {
		f.Add([]byte(text))
	}
	bpe := sampleBPE()
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, tok := range []*tokenizer.Tokenizer{bpe, tokenizer.Bytes()} {
			ordinary := tok.EncodeOrdinary(text)
			if back := tok.Decode(ordinary); !bytes.Equal(back, text) || slices.Contains(ordinary, tok.Special().BOS) {
				t.Fatalf("%q became %v and came back as %q", text, ordinary, back)
			}
			ids := tok.Encode(text)
			if back := tok.Decode(ids); !bytes.Equal(back, text) {
				t.Fatalf("%q became %v and came back as %q", text, ids, back)
			}
			for _, id := range ids {
				if id < 0 || int(id) >= tok.VocabSize() {
					t.Fatalf("%q: id %d of %d", text, id, tok.VocabSize())
				}
			}
			// A cut changes nothing.
			at := tok.Cut(text, len(text)/2)
			if parts := append(tok.Encode(text[:at]), tok.Encode(text[at:])...); !slices.Equal(parts, ids) {
				t.Fatalf("%q cut at %d gives %v, whole %v", text, at, parts, ids)
			}
		}
	})
}

func benchmarkText(b *testing.B) []byte {
	text, err := os.ReadFile("testdata/sample.txt")
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Repeat(text, 100)
}

func BenchmarkEncodeBPE(b *testing.B) {
	text := benchmarkText(b)
	bpe := sampleBPE()
	var ids []int32
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		ids = bpe.AppendPart(ids[:0], text, whole)
	}
	b.ReportMetric(float64(len(text))/float64(len(ids)), "bytes/token")
}

func BenchmarkEncodeBytes(b *testing.B) {
	text, tok := benchmarkText(b), tokenizer.Bytes()
	var ids []int32
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		ids = tok.AppendPart(ids[:0], text, whole)
	}
}
