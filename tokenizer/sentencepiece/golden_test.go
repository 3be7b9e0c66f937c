package sentencepiece

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"
)

// goldenRow is a text with the ids that the SentencePiece library gives it;
// testdata/golden.py writes them.
type goldenRow struct {
	Text      []byte
	IDs       []int32 `json:"ids"`
	Decoded   string
	Drawn     []int32
	DrawnText string `json:"drawn_text"`
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacker, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacker)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readGolden(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(gunzip(t, filepath.Join("testdata", name)), into); err != nil {
		t.Fatal(err)
	}
}

func testModel(t testing.TB, name string) *Model {
	t.Helper()
	m, err := Parse(gunzip(t, filepath.Join("testdata", name+".model.gz")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sharedModel is LLaMA's tokenizer, which lies beside the repository for some.
func sharedModel(t testing.TB) *Model {
	t.Helper()
	path := filepath.FromSlash("../../../shared/data/tokenizer/llama/tokenizer.model")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs LLaMA's tokenizer.model: %v", err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func compare(t *testing.T, m *Model, rows []goldenRow) {
	t.Helper()
	if len(rows) < 70 {
		t.Fatalf("%d rows, want 70 or more", len(rows))
	}
	for _, row := range rows {
		if got := m.Encode(row.Text); !slices.Equal(got, row.IDs) {
			t.Errorf("%q: %v, want %v", row.Text, got, row.IDs)
		}
		if got := m.Decode(row.IDs); string(got) != row.Decoded {
			t.Errorf("decoding %v: %q, want %q", row.IDs, got, row.Decoded)
		}
		if got := m.Decode(row.Drawn); string(got) != row.DrawnText {
			t.Errorf("decoding %v: %q, want %q", row.Drawn, got, row.DrawnText)
		}
		checkParts(t, m, row.Text)
		checkStream(t, m, row.Drawn)
	}
}

// checkParts holds the ids of a text that is cut in two to those of the whole.
func checkParts(t testing.TB, m *Model, text []byte) {
	t.Helper()
	for from := 0; from < len(text); from++ {
		at := m.Cut(text, from)
		if at == len(text) {
			break
		}
		got := m.AppendPart(m.AppendPart(nil, text[:at], true, false), text[at:], false, true)
		if want := m.Encode(text); !slices.Equal(got, want) {
			t.Fatalf("%q cut at %d: %v, want %v", text, at, got, want)
		}
		from = at
	}
}

// checkStream holds a decoder's output to Decode, and its parts to whole
// characters.
func checkStream(t testing.TB, m *Model, ids []int32) {
	t.Helper()
	d := m.NewDecoder()
	var all []byte
	for _, id := range ids {
		part := d.Append(nil, id)
		if !utf8.Valid(part) {
			t.Fatalf("id %d of %v gives %q", id, ids, part)
		}
		all = append(all, part...)
	}
	if all = d.Flush(all); m.denormalizer == nil && !bytes.Equal(all, m.Decode(ids)) {
		t.Fatalf("streaming %v: %q, want %q", ids, all, m.Decode(ids))
	}
}

func TestGolden(t *testing.T) {
	var golden map[string][]goldenRow
	readGolden(t, "golden.json.gz", &golden)
	if len(golden) != 7 {
		t.Fatalf("%d models", len(golden))
	}
	for name, rows := range golden {
		t.Run(name, func(t *testing.T) { compare(t, testModel(t, name), rows) })
	}
}

func TestGoldenUnigram(t *testing.T) {
	var golden map[string][]goldenRow
	readGolden(t, "unigram.json.gz", &golden)
	if len(golden) != 2 {
		t.Fatalf("%d models", len(golden))
	}
	for name, rows := range golden {
		t.Run(name, func(t *testing.T) { compare(t, testModel(t, name), rows) })
	}
}

func TestGoldenLLaMA(t *testing.T) {
	m := sharedModel(t)
	var rows []goldenRow
	readGolden(t, "llama.json.gz", &rows)
	compare(t, m, rows)
}

// The words that encoding cuts a text into must not change its ids: every
// model gives what merging the whole text at once does.
func TestWordsDoNotShow(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pool := []rune("aeitnos  .,\n'1日é▁")
	for _, name := range []string{"plain", "suffix", "user"} {
		m := testModel(t, name)
		for range 2000 {
			text := make([]rune, r.IntN(40))
			for i := range text {
				text[i] = pool[r.IntN(len(pool))]
			}
			want := encoder{Model: m}
			want.resegmented(m.normalizer.appendNormal(nil, []byte(string(text)), whole))
			if got := m.Encode([]byte(string(text))); !slices.Equal(got, want.dst) {
				t.Fatalf("%s: %q: %v, want %v", name, string(text), got, want.dst)
			}
		}
	}
}

func FuzzEncode(f *testing.F) {
	models := []*Model{testModel(f, "nfkc"), testModel(f, "user"), testModel(f, "unused"), testModel(f, "plain"), testModel(f, "unigram-bytes")}
	f.Add([]byte("Hello  world\xff ﬁ"))
	f.Add([]byte(" \x00日本 the xab"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range models {
			ids := m.Encode(text)
			checkParts(t, m, text)
			checkStream(t, m, ids)
			for _, id := range ids {
				if id < 0 || int(id) >= m.Size() {
					t.Fatalf("%q: id %d of %d", text, id, m.Size())
				}
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	m := sharedModel(b)
	text := gunzip(b, "../../../shared/data/text/wikitext-2-raw/wiki.test.raw.gz")
	b.SetBytes(int64(len(text)))
	var ids []int32
	for b.Loop() {
		ids = m.AppendEncode(ids[:0], text)
	}
	b.ReportMetric(float64(len(ids))*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkParse loads LLaMA's 32,000 pieces.
func BenchmarkParse(b *testing.B) {
	file := sharedModel(b).File()
	for b.Loop() {
		if _, err := Parse(file); err != nil {
			b.Fatal(err)
		}
	}
}
