package prepare

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
)

// everyKind is a folder that holds what a folder of text may hold.
func everyKind(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	story := func(name string) string {
		return name + " one\n<|endoftext|>\n" + name + " two\n\n<|endoftext|>" + name + " three\n"
	}
	type row struct {
		Text *string `parquet:"text,optional"`
	}
	value := func(s string) *string { return &s }
	var table bytes.Buffer
	if err := parquet.Write(&table, []row{{value(story("row"))}, {nil}, {value("")}, {value("bad \xff")}, {value("last row")}}); err != nil {
		t.Fatal(err)
	}
	lines := fmt.Sprintf("{\"text\": %q, \"Text\": \"wrong\"}\n{\"text\": null}\n{\"text\": 5}\n{\"Text\": \"wrong\"}\nbroken\n\n{\"text\": \"\"}\n{\"text\": \"nan\", \"score\": NaN}\n{\"text\": \"x\", \"text\": \"twice\"}\n{\"text\": \"caf\xe9\"}", story("line"))
	long := strings.Repeat("a long text goes on and on\n", 200_000) + "<|endoftext|>\n" + strings.Repeat("and another\n", 300_000)
	for name, content := range map[string]string{
		"a.txt": story("plain"), "b.txt.gz": string(gzipped([]byte(story("gzip")))) + string(gzipped([]byte(" member"))) + "\x00\x00\x00",
		"c.txt.zst": string(zstandard([]byte(story("zstd")))), "d.txt.bz2": string(bzipped), "long.txt": long,
		"lines.jsonl": lines, "UPPER.JSONL": lines, "lines.ndjson": "\ufeff{\"text\": \"with a mark\"}\r\n",
		"e.jsonl.gz": string(gzipped([]byte(lines))), "array.json": "[\n{\"text\": \"item\"},\n\"string\", 3, oops, {\"text\": \"last\"}]\n", "strings.JSON": `["one", "two"]`,
		"object.json": "{\n  \"text\": \"one object\"\n}\n", "objects.json": "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", "other.json": `{"name": "no text"}`, "config.json": "{\n  // no \"JSON\n  \"text\": 5\n}\n", "lists.jsonl": "[1]\n[2]\n", "array.jsonl": `[{"text": "in an array"}]`,
		"brackets.txt": "[{\"text\": \"plain\"}]", "table.parquet": table.String(), "latin.txt": strings.Repeat("caf\xe9 au lait, ", 20),
		"image.png": "\x89PNG\r\n\x00\x01", "wide.jsonl": "\xff\xfe{\x00}\x00", "empty.txt": "", "empty.gz": "", "empty.parquet": "", "blank.jsonl": "\n\n", "bad.jsonl": "nope\n",
		".hidden": "hidden", "deep/er/x.md": "deep", "mark.txt": "\ufeffmarked",
	} {
		writeFile(t, dir, "in/"+name, []byte(content))
	}
	for link, target := range map[string]string{"in/again.txt": "a.txt", "in/folder": "../far", "in/loop": ".", "in/zero": "/dev/zero"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	writeFile(t, dir, "far/away.txt", []byte("far away"))
	return filepath.Join(dir, "in")
}

// Training and mobilellm-data tokenize take the same documents from the same files.
func TestOneReading(t *testing.T) {
	in := everyKind(t)
	for _, separator := range []string{"", tokenizer.EndOfText, "\n\n"} {
		docs, report, err := data.ReadSources(context.Background(), []data.Source{{Path: in}}, data.Reading{Separator: separator})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, d := range docs {
			want = append(want, string(d.Text))
		}
		o := options(filepath.Join(t.TempDir(), "out"), in)
		o.Separator, o.ShardTokens = separator, 1000
		m, err := Tokenize(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		got := documents(t, o.Out, m)
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("separator %q: document %d is %.60q, training has %.60q of %s", separator, i, got[i], want[i], docs[i].Name)
			}
		}
		if len(got) != len(want) || len(want) < 25 {
			t.Fatalf("separator %q: %d documents, training has %d", separator, len(got), len(want))
		}
		if slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, "wrong") || strings.Contains(text, "hidden") }) {
			t.Errorf("separator %q: %q", separator, got)
		}
		// What is left out is told in both: files, and what is wrong in a file that is read.
		counts := m.Report.Skipped
		bad := report.Lines.Bad + report.Items.Bad + report.Rows.Bad + len(report.Unreadable) + 1 // lists.jsonl has two lines
		if int(counts["unreadable"]+counts["utf-8"]) != bad || bad == 0 || int(counts["binary"]) != len(report.Binary) || int(counts["special"]) != len(report.Special) {
			t.Errorf("separator %q: %v, training says %q", separator, counts, report.Notes())
		}
		if got := listed(t, o.Out); !slices.Equal(got, report.Skipped) {
			t.Errorf("separator %q: %s lists\n%q\ntraining\n%q", separator, ingest.SkippedName, got, report.Skipped)
		}
		if m.Report.EndOfTexts != int64(report.EndOfTexts) || int(m.Report.BrokenUTF8) != len(report.BrokenUTF8) {
			t.Errorf("separator %q: %+v and %+v", separator, m.Report, report)
		}
	}
}
