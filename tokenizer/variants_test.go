package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// variant is a tokenizer.json of huggingface/testdata with a change, and what the
// tokenizers library makes of texts with it; huggingface/testdata/variants.py writes them.
type variant struct {
	Base   string
	Change map[string]json.RawMessage
	Rows   []struct {
		Text      string
		IDs       []int32
		Ordinary  []int32 // nil where they are IDs
		Decoded   string
		Drawn     []int32
		DrawnText string `json:"drawn_text"`
	}
}

func readVariant(t *testing.T, file string) (v variant) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// file is its tokenizer.json.
func (v *variant) file(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile("huggingface/testdata/huggingface/" + v.Base + "/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for key, value := range v.Change {
		all[key] = value
	}
	if raw, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	// Large rules are those of a model.
	if name := "@sentencepiece/testdata/nfkc.model.gz"; bytes.Contains(raw, []byte(name)) {
		rules := loadPieces(t, filepath.Base(name)).coder.(piecesCoder).model.Normalizer().CharsMap
		raw = bytes.ReplaceAll(raw, []byte(name), []byte(base64.StdEncoding.EncodeToString(rules)))
	}
	return raw
}

// Every kind of tokenizer.json has the library's ids, with special tokens and without,
// and the library's texts. The folder variants-more, which the script writes for fuzzing,
// is not kept.
func TestVariants(t *testing.T) {
	files, err := filepath.Glob("huggingface/testdata/variants*/*.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 70 {
		t.Fatalf("%d files, want 70 or more", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json.gz"), func(t *testing.T) {
			v := readVariant(t, file)
			tok, err := FromFiles(Files{JSONFile: v.file(t)})
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Rows) < 40 {
				t.Fatalf("%d rows", len(v.Rows))
			}
			wrong := 0
			differs := func(format string, args ...any) {
				if wrong++; wrong <= 10 {
					t.Errorf(format, args...)
				}
			}
			for _, row := range v.Rows {
				text := []byte(row.Text)
				got := tok.Encode(text)
				if !slices.Equal(got, row.IDs) {
					differs("%q: %v, want %v", row.Text, got, row.IDs)
				}
				ordinary := row.Ordinary
				if ordinary == nil {
					ordinary = row.IDs
				}
				if got := tok.EncodeOrdinary(text); !slices.Equal(got, ordinary) {
					differs("%q as ordinary text: %v, want %v", row.Text, got, ordinary)
				}
				for _, decoded := range []struct {
					ids  []int32
					want string
				}{{row.IDs, row.Decoded}, {row.Drawn, row.DrawnText}} {
					if got := lossy(tok.Decode(decoded.ids)); got != decoded.want {
						differs("decoding %v: %q, want %q", decoded.ids, got, decoded.want)
					}
					d := tok.NewDecoder()
					var stream []byte
					for _, id := range decoded.ids {
						part := d.Append(nil, id)
						if len(part) > 0 && !utf8.Valid(part) && utf8.ValidString(row.Text) && !strings.Contains(lossy(part), "\ufffd") {
							differs("decoding %v gives out half a character: %q", decoded.ids, part)
						}
						stream = append(stream, part...)
					}
					if stream = d.Flush(stream); string(stream) != string(tok.Decode(decoded.ids)) {
						differs("decoding %v one by one: %q", decoded.ids, stream)
					}
				}
				for at := tok.Cut(text, 1); at < len(text); at = tok.Cut(text, at+1) {
					parts := tok.AppendPart(tok.AppendPart(nil, text[:at], Part{First: true}), text[at:], Part{Last: true})
					if !slices.Equal(parts, got) {
						differs("%q cut at %d: %v, want %v", text, at, parts, got)
					}
				}
			}
			if t.Logf("%d texts, %d differences", len(v.Rows), wrong); wrong > 0 {
				t.Fail()
			}
		})
	}
}

// lossy is text with U+FFFD for what is no UTF-8: one for each longest part of a
// character, as Rust has it.
func lossy(text []byte) string {
	var out strings.Builder
	for len(text) > 0 {
		r, width := utf8.DecodeRune(text)
		if r != utf8.RuneError || width > 1 {
			out.WriteRune(r)
			text = text[width:]
			continue
		}
		n := 1
		for n < len(text) && n < 4 && !utf8.FullRune(text[:n+1]) && !utf8.FullRune(text[:n]) {
			n++
		}
		out.WriteRune(utf8.RuneError)
		text = text[min(n, len(text)):]
	}
	return out.String()
}
