package prepare

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/internal/testlong"
	"mobilellm/tokenizer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(text)
	w.Close()
	return out.Bytes()
}

func zstandard(text []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(text, nil)
}

// bzipped is "packed with bzip2" and a line feed, as the bzip2 program packs it.
var bzipped = []byte("\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xdd\xf0\x7a\x02\x00\x00\x07\x59\x80\x00\x10\x40\x00\x10\x00\x3e\x68\x44\x90\x20\x00\x22\x08\xc9\xa6\x0d\x0a\x60\x00\x39\xf7\xa2\x6f\x45\x58\x18\x31\x20\x68\xbb\x92\x29\xc2\x84\x86\xef\x83\xd0\x10")

func options(out string, inputs ...string) Options {
	return Options{Inputs: inputs, Out: out, Tokenizer: tokenizer.Bytes(), BOS: shard.None, EOS: 256, Workers: 2}
}

// documents decodes all shards of a folder.
func documents(t *testing.T, dir string, m *Manifest) []string {
	t.Helper()
	var all []string
	for _, record := range m.Shards {
		s, err := shard.Open(filepath.Join(dir, record.File))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Verify(); err != nil {
			t.Fatal(err)
		}
		for i := range s.Documents {
			from, to := s.Document(i)
			ids := make([]int32, to-from)
			s.Read(ids, from)
			if ids[len(ids)-1] != 256 {
				t.Errorf("document %d ends with %d", i, ids[len(ids)-1])
			}
			if opened := ids[0] == 256; opened != (len(all) == 0) {
				t.Errorf("document %d begins with %d", i, ids[0]) // an EOS only before the first of all
			} else if opened {
				ids = ids[1:]
			}
			all = append(all, string(tokenizer.Bytes().Decode(ids[:len(ids)-1])))
		}
	}
	return all
}

// listed returns the lines of skipped.jsonl.
func listed(t *testing.T, dir string) []ingest.Skipped {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ingest.SkippedName))
	if err != nil {
		t.Fatal(err)
	}
	var all []ingest.Skipped
	for line := range strings.Lines(string(text)) {
		var s ingest.Skipped
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// skipped are those lines as "document reason".
func skipped(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, s := range listed(t, dir) {
		all = append(all, filepath.Base(s.Document)+" "+s.Reason)
	}
	return all
}

func TestFormats(t *testing.T) {
	dir := t.TempDir()
	type row struct {
		ID      int64   `parquet:"id"`
		Content *string `parquet:"content,optional,zstd"`
	}
	text := func(s string) *string { return &s }
	var table bytes.Buffer
	if err := parquet.Write(&table, []row{{1, text("first row")}, {2, nil}, {3, text("third row")}, {4, text("bad \xff")}}); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "in/a.txt", []byte("a plain text\nof two lines\n"))
	writeFile(t, dir, "in/b.jsonl", []byte("{\"content\": \"line one\"}\nnot json\n{\"other\": 1}\n\n{\"content\": 7}\n{\"content\": \"\"}\n{\"content\": null}\n{\"content\": \"caf\\u00e9\"}"))
	writeFile(t, dir, "in/c.txt.gz", gzipped([]byte("packed with gzip")))
	writeFile(t, dir, "in/d.jsonl.zst", zstandard([]byte("{\"content\":\"packed with zstd\"}\n")))
	writeFile(t, dir, "in/e.parquet", table.Bytes())
	writeFile(t, dir, "in/f.txt", []byte("broken \xc3( text"))
	writeFile(t, dir, "in/g.txt", nil)
	writeFile(t, dir, "in/.hidden", []byte("not read"))
	out := filepath.Join(dir, "out")
	o := options(out, filepath.Join(dir, "in"))
	o.Field, o.Column = "content", "content"
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a plain text\nof two lines\n", "line one", "café", "packed with gzip", "packed with zstd", "first row", "third row", "broken \xc3( text"}
	if got := documents(t, out, m); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	left := []string{"b.jsonl:2 unreadable", "b.jsonl:3 unreadable", "b.jsonl:5 unreadable", "b.jsonl:6 empty", "b.jsonl:7 unreadable", "e.parquet#1 unreadable", "e.parquet#3 utf-8", "g.txt empty"}
	if got := skipped(t, out); !slices.Equal(got, left) {
		t.Errorf("left out %q, want %q", got, left)
	}
	if r := m.Report; r.Documents != 8 || r.BrokenUTF8 != 1 || r.Skipped["unreadable"] != 5 || r.Skipped["utf-8"] != 1 || r.Skipped["empty"] != 2 || r.TextBytes != 26+8+5+16+16+9+9+14 {
		t.Errorf("%+v", r)
	}
}

func TestSplitAndStdin(t *testing.T) {
	for split, want := range map[ingest.Split][]string{
		"file":      {"one\ntwo\n\n \nthree\n"},
		"line":      {"one", "two", "three"},
		"paragraph": {"one\ntwo", "three"},
	} {
		o := options(filepath.Join(t.TempDir(), "out"), Stdin)
		o.Stdin = strings.NewReader("one\ntwo\n\n \nthree\n")
		o.Split = split
		m, err := Tokenize(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := documents(t, o.Out, m); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", split, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	var table bytes.Buffer
	if err := parquet.Write(&table, []struct {
		Text  string   `parquet:"content"`
		N     int64    `parquet:"n"`
		Words []string `parquet:"words,list"`
	}{{"x", 1, nil}}); err != nil {
		t.Fatal(err)
	}
	good := writeFile(t, dir, "good.txt", []byte("good"))
	whole := gzipped(bytes.Repeat([]byte("all work and no play "), 5000))
	cut := writeFile(t, dir, "cut.txt.gz", whole[:len(whole)/2])
	for name, c := range map[string]struct {
		input string
		edit  func(*Options)
		want  string
	}{
		"wrong path":        {filepath.Join(dir, "none"), nil, "none does not exist"},
		"no match":          {filepath.Join(dir, "*.nope"), nil, "matches no file"},
		"empty":             {writeFile(t, dir, "empty.txt", nil), nil, "no document to tokenize: all 1 documents were left out"},
		"blank jsonl":       {writeFile(t, dir, "blank.jsonl", []byte("\n\n")), nil, "no document to tokenize: the input holds no text"},
		"truncated gzip":    {cut, nil, "cut.txt.gz: the gzip file is cut short"},
		"no gzip":           {writeFile(t, dir, "not.txt.gz", []byte("plain text, no gzip at all")), nil, "not.txt.gz: broken gzip file"},
		"empty gzip":        {writeFile(t, dir, "nil.txt.gz", nil), nil, "no document to tokenize: all 1 documents were left out, see skipped.jsonl; the first is "},
		"truncated zstd":    {writeFile(t, dir, "cut.txt.zst", zstandard(bytes.Repeat([]byte("abcdefgh"), 999))[:20]), nil, "cut.txt.zst: the zstd file is cut short"},
		"broken bzip2":      {writeFile(t, dir, "x.txt.bz2", bzipped[:len(bzipped)/2]), nil, "x.txt.bz2: the bzip2 file is cut short"},
		"no text":           {writeFile(t, dir, "image.png", []byte("\x89PNG\r\n\x00")), nil, "image.png is not text: NUL byte at offset 6\nhint: --skip-bad-files"},
		"UTF-16":            {filepath.Join("..", "ingest", "testdata", "utf16.jsonl"), nil, "utf16.jsonl is not text: it is UTF-16, UTF-8 is needed\nhint: iconv"},
		"a pipe":            {"/dev/null", nil, "/dev/null is not read: it is a device"},
		"no column":         {writeFile(t, dir, "t.parquet", table.Bytes()), nil, "t.parquet: no column \"text\"\nhint: it has content, n, words"},
		"column of numbers": {filepath.Join(dir, "t.parquet"), func(o *Options) { o.Column = "n" }, `column "n" holds INT64, not text`},
		"truncated parquet": {writeFile(t, dir, "u.parquet", table.Bytes()[:table.Len()/2]), nil, "u.parquet: broken parquet file"},
		"separator":         {good, func(o *Options) { o.EOS = 257 }, "separator id 257 is outside the vocabulary of 257"},
		"no benchmark":      {good, func(o *Options) { o.Decontaminate = []string{filepath.Join(dir, "none")} }, "none does not exist"},
	} {
		o := options(filepath.Join(t.TempDir(), "out"), c.input)
		if c.edit != nil {
			c.edit(&o)
		}
		if _, err := Tokenize(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	o := options(filepath.Join(dir, "out"), cut, good)
	o.SkipBadFiles = true
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, o.Out, m); !slices.Equal(got, []string{"good"}) || !slices.Equal(skipped(t, o.Out), []string{"cut.txt.gz file"}) {
		t.Errorf("%q, left out %q", got, skipped(t, o.Out))
	}
	o.Inputs = []string{good}
	if _, err := Tokenize(context.Background(), o); err == nil || !strings.Contains(err.Error(), "other text or settings") {
		t.Error(err)
	}
}

// A folder of which nothing came, as the settings were wrong, serves for others.
func TestSettingsCorrected(t *testing.T) {
	dir := t.TempDir()
	in := writeFile(t, dir, "in.jsonl", []byte("{\"body\": \"text\"}\n"))
	o := options(filepath.Join(dir, "out"), in)
	if _, err := Tokenize(context.Background(), o); !errors.Is(err, ErrNoText) {
		t.Fatal(err)
	}
	if _, err := shard.Folder(o.Out); err == nil || !strings.Contains(err.Error(), "is not complete") {
		t.Error(err)
	}
	o.Field = "body"
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, o.Out, m); !slices.Equal(got, []string{"text"}) || m.Report.Skipped["unreadable"] != 0 || len(skipped(t, o.Out)) != 0 {
		t.Errorf("%q, %+v", got, m.Report)
	}
	for _, name := range []string{"tokenizer.json", shard.ManifestName} {
		if _, err := os.Stat(filepath.Join(o.Out, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestBzip2(t *testing.T) {
	dir := t.TempDir()
	o := options(filepath.Join(dir, "out"), writeFile(t, dir, "x.txt.bz2", bzipped))
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, o.Out, m); !slices.Equal(got, []string{"packed with bzip2\n"}) {
		t.Errorf("%q", got)
	}
}

func TestCopiesAndBenchmarks(t *testing.T) {
	dir := t.TempDir()
	long := "the quick brown fox jumps over the lazy dog while seven wise owls watch from the old oak tree near the river "
	lines := []string{"first", long + "a b c d e f g h i j", "first", long + "a b c d e f g h i k", "question: who wrote the book that everyone in the small town was talking about last winter", "last"}
	var in strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&in, "{\"text\": %q}\n", line)
	}
	o := options(filepath.Join(dir, "out"), writeFile(t, dir, "in.jsonl", []byte(in.String())))
	task := writeFile(t, dir, "task.jsonl", []byte(`{"q": "Who wrote the book that everyone in the small town was talking about?"}`+"\n"))
	o.Dedup, o.NearDedup, o.Decontaminate = true, 0.6, []string{task}
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, o.Out, m); !slices.Equal(got, []string{lines[0], lines[1], lines[5]}) {
		t.Errorf("%q", got)
	}
	if got := skipped(t, o.Out); !slices.Equal(got, []string{"in.jsonl:3 duplicate", "in.jsonl:4 near-duplicate", "in.jsonl:5 contaminated"}) {
		t.Errorf("%q", got)
	}
	if m.Report.Contaminated[task] != 1 {
		t.Errorf("%+v", m.Report)
	}
}

func TestTokenIDs(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "base/1/a.jsonl", []byte("{\"token_ids\": [104, 105]}\n{\"token_ids\": [104, 999]}\n"))
	writeFile(t, dir, "base/2/a.jsonl", []byte("{\"token_ids\": [111, 107]}\n{\"token_ids\": []}\n"))
	o := options(filepath.Join(dir, "out"), filepath.Join(dir, "base"))
	o.TokenIDs = true
	m, err := Tokenize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, o.Out, m); !slices.Equal(got, []string{"hi", "ok"}) {
		t.Errorf("%q", got)
	}
	if got := skipped(t, o.Out); !slices.Equal(got, []string{"a.jsonl:2 ids", "a.jsonl:2 empty"}) {
		t.Errorf("%q", got)
	}
}

// corpus is a folder of files of all kinds with copies and broken documents.
func corpus(t *testing.T, dir string) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi")
	sentence := func(n int) string {
		picked := make([]string, n)
		for i := range picked {
			picked[i] = words[r.IntN(len(words))]
		}
		return strings.Join(picked, " ")
	}
	for f := range 4 {
		var lines strings.Builder
		for i := range 3000 {
			switch {
			case i%50 == 7:
				lines.WriteString("broken\n")
			case i%40 == 9:
				lines.WriteString("{\"text\": \"a copy of all others\"}\n")
			default:
				fmt.Fprintf(&lines, "{\"text\": %q}\n", sentence(r.IntN(60)))
			}
		}
		writeFile(t, dir, fmt.Sprintf("in/%d.jsonl", f), []byte(lines.String()))
	}
	writeFile(t, dir, "in/long.txt", []byte(strings.Repeat(sentence(2000)+"\n", 100)))
	writeFile(t, dir, "in/tail.txt.gz", gzipped([]byte(sentence(9000))))
	torn := gzipped([]byte(sentence(900_000))) // several parts are read before it breaks off
	writeFile(t, dir, "in/torn.txt.gz", torn[:len(torn)*9/10])
	writeFile(t, dir, "in/zz.txt", []byte("the end"))
	return filepath.Join(dir, "in")
}

func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(content)
	}
	return all
}

// Work that is interrupted at any document and taken up again ends with the
// bytes of unbroken work.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	in := corpus(t, dir)
	for _, dedup := range []bool{false, true} {
		settings := func(name string) Options {
			o := options(filepath.Join(dir, fmt.Sprint(name, dedup)), in)
			o.ShardTokens, o.SkipBadFiles = 20000, true
			if o.Dedup = dedup; dedup {
				o.NearDedup = 0.8
			}
			return o
		}
		whole := settings("whole")
		m, err := Tokenize(context.Background(), whole)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Shards) < 5 || m.Report.Skipped["file"] != 1 || dedup && m.Report.Skipped["duplicate"] == 0 {
			t.Fatalf("%d shards, %+v", len(m.Shards), m.Report)
		}
		want := folder(t, whole.Out)
		broken := settings("broken")
		r := rand.New(rand.NewPCG(3, 4))
		tries, enough := 0, 2
		if testlong.On() {
			enough = 8
		}
		for ; tries < 20; tries++ {
			ctx, cancel := context.WithCancel(context.Background())
			left := r.IntN(4)
			broken.Progress = func(Progress) {
				if left--; left < 0 {
					cancel()
				}
			}
			if tries > enough {
				broken.Progress = nil
			}
			broken.Workers = 1 + tries%3
			_, err := Tokenize(ctx, broken)
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if _, err := shard.Folder(broken.Out); err == nil || !strings.Contains(err.Error(), "is not complete") {
				t.Errorf("interrupted %d times: %v", tries+1, err)
			}
		}
		if paths, err := shard.Folder(broken.Out); err != nil || len(paths) != len(m.Shards) {
			t.Errorf("%d shards, %v", len(paths), err)
		}
		if tries < 2 {
			t.Errorf("interrupted %d times", tries)
		}
		got := folder(t, broken.Out)
		if len(got) != len(want) {
			t.Errorf("%d files, want %d", len(got), len(want))
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("dedup %v: %s differs after %d interruptions", dedup, name, tries)
			}
		}
	}
}
