package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

// wide is a zstd frame with the window of zstd --ultra --long=31, 2 GiB, and one
// uncompressed block.
func wide(text string) []byte {
	header := len(text)<<3 | 1
	return append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, byte(header), byte(header >> 8), byte(header >> 16)}, text...)
}

func text(r Reader, err error) (string, error) {
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for {
		record, err := r.Next()
		if err == io.EOF {
			return all.String(), r.Close()
		}
		if err != nil {
			return "", errors.Join(err, r.Close())
		}
		all.Write(record.Text)
	}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	a, b, zeros := gzipped(t, "one "), gzipped(t, "two"), make([]byte, 1000)
	za, zb := zstandard(t, "one "), zstandard(t, "two")
	for _, c := range []struct {
		name    string
		content []byte
		want    string // the text, or what the error says
	}{
		{"a.txt.gz", b, "two"},
		{"A.TXT.GZ", b, "two"},
		{"members.gz", slices.Concat(a, b), "one two"},
		{"padded.gz", slices.Concat(b, zeros), "two"},
		{"both.gz", slices.Concat(a, zeros, b, zeros), "one two"},
		{"empty.gz", gzipped(t, ""), ""},
		{"nothing.gz", nil, ""},
		{"frames.zst", slices.Concat(za, zb), "one two"},
		{"wide.zst", wide("a wide window"), "a wide window"},
		{"short.gz", a[:len(a)-9], "short.gz: the gzip file is cut short"},
		{"second.gz", slices.Concat(a, b[:5]), "second.gz: the gzip file is cut short"},
		{"second2.gz", slices.Concat(a, b[:1]), "second2.gz: the gzip file is cut short"},
		{"garbage.gz", slices.Concat(a, []byte("garbage behind")), "garbage.gz: broken gzip file"},
		{"short.zst", za[:len(za)-3], "short.zst: the zstd file is cut short"},
		{"second.zst", slices.Concat(za, zb[:6]), "second.zst: the zstd file is cut short"},
		{"none.zst", []byte("no zstd at all"), "none.zst: broken zstd file"},
		{"none.bz2", []byte("no bzip2"), "none.bz2: broken bzip2 file"},
		{"e\x1b[1msc.gz", []byte("this is no gzip file"), `e\x1b[1msc.gz: broken gzip file`},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := text(Open(path, Options{}))
		if err != nil {
			if !strings.Contains(err.Error(), dir+"/"+c.want) {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What unpacks to very much more than itself is an error that names the file and
// the limit, before memory is taken for all of it.
func TestUnpackedLimit(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("a", 1<<20)
	rows := make([]struct {
		Text string `parquet:"Text,zstd"`
	}, 2000)
	for i := range rows {
		rows[i].Text = long[:1000]
	}
	var table bytes.Buffer
	if err := parquet.Write(&table, rows); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"bomb.gz": gzipped(t, long), "bomb.zst": zstandard(t, long), "bomb.jsonl.gz": gzipped(t, `{"text": "`+long+`"}`), "bomb.parquet": table.Bytes(),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		o := Options{Column: "Text", Limits: Limits{Document: 1 << 30, Unpacked: 1 << 18, Ratio: 20}}
		_, err := text(Open(path, o))
		if err == nil || !strings.Contains(err.Error(), name+": ") || !strings.Contains(err.Error(), "unpack to more than 262144 bytes and 20 times as many, the limit\nhint: ") {
			t.Errorf("%s: %v", name, err)
		}
		o.Limits.Ratio = 100_000
		if _, err := text(Open(path, o)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		o.Limits = DefaultLimits
		if _, err := text(Open(path, o)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"a.txt": []byte(strings.Repeat("a", 5000)), "b.gz": gzipped(t, strings.Repeat("b", 5000)),
		"c.jsonl": []byte(`{"text": "` + strings.Repeat("c", 5000) + `"}`), "d.json": []byte(`["` + strings.Repeat("d", 5000) + `"]`),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := text(Open(path, Options{Memory: 1000})); !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), name+": the text is larger than memory has room for") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := text(Open(path, Options{Memory: 100_000})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
