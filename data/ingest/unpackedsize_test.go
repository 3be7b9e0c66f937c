package ingest

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestUnpackedSize(t *testing.T) {
	text := bytes.Repeat([]byte("what is said again and again "), 10_000)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	framed := e.EncodeAll(text, nil)
	for name, c := range map[string]struct {
		raw  []byte
		want int64
	}{
		"a.gz": {zipped.Bytes(), int64(len(text))}, "a.zst": {framed, int64(len(text))}, "a.txt": {text, 0}, "a.bz2": {text, 0},
		"short.gz": {[]byte("abc"), 0}, "short.zst": {framed[:3], 0}, "none.gz": {nil, 0}, "broken.zst": {text, 0},
		"small.gz": {append(bytes.Clone(zipped.Bytes()), 1, 0, 0, 0), 0},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, c.raw, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := UnpackedSize(path); got != c.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", name, got, err, c.want)
		}
	}
}
