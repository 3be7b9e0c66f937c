package data

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeFiles makes a folder of the given files; a name ending in .gz is packed.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := []byte(text)
		if strings.HasSuffix(name, ".gz") {
			content = pack(t, text)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	packer := gzip.NewWriter(&out)
	if _, err := packer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func randomBytes(n int) string {
	r := rand.New(rand.NewPCG(5, 6))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(1 + r.IntN(255))
	}
	return string(out)
}

func TestReadSources(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"b.txt":          "text b\n",
		"a/z.go":         "package z\n",
		"a/deep/d.txt":   "deep\n",
		"c.txt.gz":       "packed\n",
		"lines.jsonl":    "{\"text\":\"one\"}\n\n{\"id\":2,\"text\":\"t\\u00e4o\"}\r\n{\"text\":\"\"}\n{\"text\":\"last\"}",
		"more.jsonl.gz":  "\ufeff{\"text\":\"gz one\"}\n",
		"empty.txt":      "",
		"image.png":      "\x89PNG\r\n\x00\x01",
		"noise.bin":      randomBytes(4000),
		".git/config":    "hidden",
		".hidden":        "hidden",
		"latin1.txt":     strings.Repeat("caf\xe9 au lait, ", 20),
		"other/only.txt": "only\n",
	})
	for _, c := range []struct {
		name    string
		sources []string
		want    []string // NAME=TEXT
		binary  int
		empty   int
	}{
		{"file", []string{"b.txt"}, []string{"b.txt=text b\n"}, 0, 0},
		{"gzip", []string{"c.txt.gz"}, []string{"c.txt.gz=packed\n"}, 0, 0},
		{"jsonl", []string{"lines.jsonl"}, []string{"lines.jsonl:1=one", "lines.jsonl:3=täo", "lines.jsonl:5=last"}, 0, 0},
		{"jsonl in gzip", []string{"more.jsonl.gz"}, []string{"more.jsonl.gz:1=gz one"}, 0, 0},
		{"order of sources", []string{"b.txt", "a"}, []string{"b.txt=text b\n", "a/deep/d.txt=deep\n", "a/z.go=package z\n"}, 0, 0},
		{"glob", []string{"*.txt"}, []string{"b.txt=text b\n", "latin1.txt=" + strings.Repeat("caf\xe9 au lait, ", 20)}, 0, 1},
		{"deep glob", []string{"**/[do]*.txt"}, []string{"a/deep/d.txt=deep\n", "other/only.txt=only\n"}, 0, 0},
		{"deep glob under a folder", []string{"a/**"}, []string{"a/deep/d.txt=deep\n", "a/z.go=package z\n"}, 0, 0},
		{"folder", []string{"."}, []string{
			"a/deep/d.txt=deep\n", "a/z.go=package z\n", "b.txt=text b\n", "c.txt.gz=packed\n",
			"latin1.txt=" + strings.Repeat("caf\xe9 au lait, ", 20),
			"lines.jsonl:1=one", "lines.jsonl:3=täo", "lines.jsonl:5=last", "more.jsonl.gz:1=gz one", "other/only.txt=only\n",
		}, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sources []Source
			for _, s := range c.sources {
				sources = append(sources, Source{Path: filepath.Join(dir, s)})
			}
			docs, report, err := ReadSources(context.Background(), sources, Reading{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range docs {
				name, err := filepath.Rel(dir, d.Name)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, filepath.ToSlash(name)+"="+string(d.Text))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("documents %q, want %q", got, c.want)
			}
			if len(report.Binary) != c.binary || len(report.Empty) != c.empty {
				t.Errorf("binary %q and empty %q, want %d and %d", report.Binary, report.Empty, c.binary, c.empty)
			}
			if report.Documents != len(docs) || report.Bytes != TextBytes(docs) {
				t.Errorf("report %+v of %d documents of %d bytes", report, len(docs), TextBytes(docs))
			}
		})
	}
}

func TestReadSourcesErrors(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"empty.txt":      "",
		"empty.gz":       "",
		"nul.txt":        "text\x00text",
		"noise.bin":      randomBytes(4000),
		"wide.txt":       "\xff\xfet\x00e\x00",
		"broken.jsonl":   "{\"text\": oops}\n{\"text\":\"fine\", }\n",
		"nofield.jsonl":  "{\"body\":\"x\"}\n",
		"number.jsonl":   "{\"text\":5}\n",
		"blank.jsonl":    "\n\n",
		"binaries/a.bin": "\x00",
		"binaries/b.bin": "\x00",
		"mixed/ok.txt":   "ok\n",
		"bads/a.jsonl":   "nope\n", "bads/b.jsonl": "\n",
		"folder/.only-dot": "x",
	})
	whole := pack(t, strings.Repeat("some text ", 1000))
	for name, content := range map[string][]byte{
		"short.gz": whole[:len(whole)/2],
		"fake.gz":  []byte("this is no gzip file"),
		"flip.gz":  append(slices.Clone(whole[:len(whole)-6]), 1, 2, 3, 4, 5, 6),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		want []string
	}{
		{"missing.txt", []string{"missing.txt does not exist", "hint: "}},
		{"*.nothing", []string{"*.nothing matches no file", "hint: "}},
		{"[", []string{"syntax error in pattern"}},
		{"empty.txt", []string{"empty.txt is empty"}},
		{"empty.gz", []string{"empty.gz is empty"}},
		{"nul.txt", []string{"nul.txt is not text: NUL byte at offset 4"}},
		{"noise.bin", []string{"noise.bin is not text", "not UTF-8"}},
		{"wide.txt", []string{"wide.txt is not text: it is UTF-16"}},
		{"broken.jsonl", []string{"broken.jsonl holds no document: 2 of 2 lines cannot be read, the first is ", "broken.jsonl:1: broken JSON at byte 9"}},
		{"nofield.jsonl", []string{`nofield.jsonl:1: no field "text"`}},
		{"number.jsonl", []string{`number.jsonl:1: field "text" is no string`}},
		{"blank.jsonl", []string{"blank.jsonl is empty: no line has text"}},
		{"short.gz", []string{"short.gz: the gzip file is cut short"}},
		{"fake.gz", []string{"fake.gz: broken gzip file"}},
		{"flip.gz", []string{"flip.gz: broken gzip file"}},
		{"binaries", []string{"no text in ", "2 files, of them 2 binary and 0 empty"}},
		{"bads", []string{"no text in ", "(2 files, of them 0 binary and 1 empty, 1 unreadable): the first, ", "a.jsonl:1: broken JSON"}},
		{"folder", []string{"no text in ", "0 files"}},
	} {
		_, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, c.path)}}, Reading{})
		wantError(t, c.path, err, append(c.want, "data: ")...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := ReadSources(ctx, []Source{{Path: filepath.Join(dir, "mixed/ok.txt")}}, Reading{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestReadFolderThroughLink(t *testing.T) {
	dir := writeFiles(t, map[string]string{"real/a.txt": "a\n", "else/b.txt": "b\n"})
	for link, target := range map[string]string{
		"link": filepath.Join(dir, "real"), "real/b.txt": filepath.Join(dir, "else/b.txt"), "real/c.txt": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	docs, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, "link")}}, Reading{})
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 || docs[0].Name != filepath.Join(dir, "link/a.txt") || string(docs[1].Text) != "b\n" {
		t.Errorf("read %q", docs)
	}
}

func TestReadReportNotes(t *testing.T) {
	r := ReadReport{Binary: []string{"x/a.png", "x/b.png"}}
	want := []string{"data: left out 2 binary files, the first is x/a.png"}
	if got := r.Notes(); !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
}
