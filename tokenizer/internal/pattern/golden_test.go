package pattern

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testdata/pattern.py wrote what the tokenizers library finds; more.json.gz, which it
// writes for fuzzing, is not kept.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json.gz")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		var rows []struct {
			Pattern string
			Found   [][3]any // text, with | for each match, pieces
		}
		if err := json.NewDecoder(z).Decode(&rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) < 100 {
			t.Fatalf("%s: %d patterns", name, len(rows))
		}
		refused, wrong := 0, 0
		for _, row := range rows {
			p, err := Compile(row.Pattern)
			if err != nil {
				if refused++; !strings.Contains(err.Error(), "not known") && !strings.Contains(err.Error(), "lazy quantifier") {
					t.Error(err)
				}
				continue
			}
			for _, found := range row.Found {
				text := found[0].(string)
				var want []string
				for _, piece := range found[2].([]any) {
					want = append(want, piece.(string))
				}
				for _, remember := range []bool{false, true} {
					replaced, pieces := cut(p, text, remember)
					if replaced == found[1] && slices.Equal(pieces, want) {
						continue
					}
					if wrong++; wrong < 20 {
						t.Errorf("%s on %q, remembering %v: %q %q, want %q %q", row.Pattern, text, remember, replaced, pieces, found[1], want)
					}
				}
			}
		}
		if refused*15 > len(rows) {
			t.Errorf("%s: %d of %d patterns are refused", name, refused, len(rows))
		}
		t.Logf("%s: %d patterns, %d refused, %d wrong", name, len(rows), refused, wrong)
	}
}

// cut replaces the matches in a text and cuts it around them, with the states
// remembered from the beginning or not.
func cut(p *Pattern, text string, remember bool) (replaced string, pieces []string) {
	m := &machine{Pattern: p}
	m.begin([]byte(text))
	if remember {
		m.remember()
	}
	from := 0
	m.all(func(start, end int) {
		replaced += text[from:start] + "|"
		pieces = append(pieces, text[from:start], text[start:end])
		from = end
	})
	replaced += text[from:]
	pieces = append(pieces, text[from:])
	return replaced, slices.DeleteFunc(pieces, func(piece string) bool { return piece == "" })
}
