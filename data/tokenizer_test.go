package data

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
)

var update = flag.Bool("update", false, "write the tokenizer files in testdata anew")

// sampleBPE is trained on testdata/sample.txt, with the vocabulary of golden.py.
var sampleBPE = sync.OnceValue(func() *BPE {
	text, err := os.ReadFile("testdata/sample.txt")
	if err != nil {
		panic(err)
	}
	bpe, _, err := TrainBPE(context.Background(), []Document{{"sample.txt", text}}, 640, nil)
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
	got := sampleBPE().merges
	if len(got) != len(want) {
		t.Fatalf("%d merges, want %d", len(got), len(want))
	}
	for i, m := range got {
		if [2]int32{m.left, m.right} != want[i] {
			t.Fatalf("merge %d is %v, want %v", i, m, want[i])
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
			if got := Bytes().Encode(text); !slices.Equal(got, row.Bytes) {
				t.Errorf("bytes of %q: %v, want %v", row.Text, got, row.Bytes)
			}
		}
		for i, want := range row.Words {
			// The golden length is in characters of the byte-level alphabet: bytes.
			if got := nextWord(text); got != want {
				t.Errorf("%q: word %d has %d bytes, want %d", row.Text, i, got, want)
				break
			}
			text = text[want:]
		}
	}
}

func TestSavedFiles(t *testing.T) {
	for name, tok := range map[string]Tokenizer{"bpe": sampleBPE(), "bytes": Bytes()} {
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
			loaded, err := LoadTokenizer(path)
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
	for name, tok := range map[string]Tokenizer{"bpe": sampleBPE(), "bytes": Bytes()} {
		eos, ok := tok.EOS()
		bos, also := tok.BOS()
		if !ok || !also || eos != bos || int(eos) != tok.VocabSize()-1 {
			t.Errorf("%s: eos %d %t, bos %d %t of %d ids", name, eos, ok, bos, also, tok.VocabSize())
		}
		if got := string(tok.Decode([]int32{eos, -1, int32(tok.VocabSize()), 'a'})); got != EndOfText+"a" {
			t.Errorf("%s: decoded %q", name, got)
		}
	}
	if a, b := sampleBPE().Fingerprint(), Bytes().Fingerprint(); a == b || len(a) != 16 {
		t.Errorf("fingerprints %q and %q", a, b)
	}
}

func TestEncodeConcurrently(t *testing.T) {
	rows := goldenTexts(t)
	bpe, err := LoadTokenizer("testdata/bpe") // with a cold cache
	if err != nil {
		t.Fatal(err)
	}
	inParallel(8, func(worker int) {
		for i := range rows {
			row := rows[(i+worker*31)%len(rows)]
			if got := bpe.Encode([]byte(row.Text)); !slices.Equal(got, row.BPE) {
				t.Errorf("worker %d: %q: %v, want %v", worker, row.Text, got, row.BPE)
				return
			}
		}
	})
}

func TestBrokenUTF8(t *testing.T) {
	for _, text := range []string{"\xff", "a\xc3", "\xc3(", "\xed\xa0\x80", "\xf0\x9f\x99 x", " \x80\x80\n\xfe", "\xc3\xa9\xc3"} {
		for _, tok := range []Tokenizer{sampleBPE(), Bytes()} {
			if got := string(tok.Decode(tok.Encode([]byte(text)))); got != text {
				t.Errorf("%q came back as %q", text, got)
			}
		}
	}
}

func TestLoadTokenizerErrors(t *testing.T) {
	good, err := os.ReadFile("testdata/bpe/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, text string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("testdata/bpe/tokenizer.json has no %s", old)
		}
		return strings.Replace(string(good), old, text, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"sentencepiece", "\n\x0e\n\x05<unk>", "unknown tokenizer kind: not a tokenizer.json"},
		{"cut short", string(good[:200]), "unexpected end of JSON input"},
		{"unigram", change(`"type": "BPE"`, `"type": "Unigram"`), `unknown tokenizer kind: model.type "Unigram", want "BPE"`},
		{"normalizer", change(`"normalizer": null`, `"normalizer": {"type":"NFKC"}`), `unknown tokenizer kind: normalizer NFKC`},
		{"replaced pattern", change(`"normalizer": null`, `"normalizer": {"type":"Replace","pattern":{"Regex":"a"}}`), `unknown tokenizer kind: normalizer Replace`},
		{"bytes by words", change(`"byte_fallback": false`, `"byte_fallback": true`), "with model.byte_fallback, want Metaspace"},
		{"merge of nothing", change("\"merges\": [\n      [\n        \"", "\"merges\": [\n      [\n        \"qqq"), `merge 0: token "qqq`},
		{"id twice", change(`"Ā": 0`, `"Ā": 1`), "share id"},
		{"missing byte", change(`"Ā": 0`, `"qqqqq": 0`), "byte 0x00 has no token"},
	} {
		path := filepath.Join(t.TempDir(), "tokenizer.json")
		text := c.text
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := LoadTokenizer(path)
		wantError(t, c.name, err, path, c.want)
	}
	_, err = LoadTokenizer(filepath.Join("testdata", "nowhere"))
	wantError(t, "missing", err, "nowhere does not exist", "hint: ")
	_, err = LoadTokenizer(t.TempDir())
	wantError(t, "empty folder", err, "tokenizer.json")
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
	err := Bytes().Save(filepath.Join(t.TempDir(), "missing"))
	wantError(t, "save", err, "tokenizer: ", "tokenizer.json")
}

func FuzzRoundTrip(f *testing.F) {
	for _, text := range []string{"func main() {\n\t}\n", "don't 漢字 😀 1234", "\xff\xfe\x00", " \r\n \u00a0", EndOfText + "x" + EndOfText[:5]} {
		f.Add([]byte(text))
	}
	bpe := sampleBPE()
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, tok := range []Tokenizer{bpe, Bytes()} {
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
			at := tok.(cutter).cut(text, len(text)/2)
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
		ids = bpe.AppendEncode(ids[:0], text)
	}
	b.ReportMetric(float64(len(text))/float64(len(ids)), "bytes/token")
}

// Without the cache every word is merged anew.
func BenchmarkMergeWords(b *testing.B) {
	text := benchmarkText(b)
	bpe := sampleBPE()
	var ids []int32
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		ids = ids[:0]
		for rest := text; len(rest) > 0; {
			n := nextWord(rest)
			ids = bpe.mergeWord(ids, rest[:n])
			rest = rest[n:]
		}
	}
}

func BenchmarkEncodeBytes(b *testing.B) {
	text := benchmarkText(b)
	var ids []int32
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		ids = Bytes().AppendEncode(ids[:0], text)
	}
}
