package grammar

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mobilellm/tokenizer"
)

// tokenizers are all kinds that there are: bytes, byte-level, pieces with and without byte
// fallback, unigram, with blanks before and behind words.
func tokenizers(t testing.TB) map[string]*tokenizer.Tokenizer {
	t.Helper()
	if loaded != nil {
		return loaded
	}
	all := map[string]*tokenizer.Tokenizer{"bytes": tokenizer.Bytes()}
	load := func(name, path string) {
		tok, err := tokenizer.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = tok
	}
	folders, err := filepath.Glob("../../tokenizer/huggingface/testdata/huggingface/*")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		load(filepath.Base(folder), folder)
	}
	models, err := filepath.Glob("../../tokenizer/sentencepiece/testdata/*.model.gz")
	if err != nil || len(models) == 0 {
		t.Fatal(models, err)
	}
	for _, model := range models {
		file, err := os.Open(model)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(z)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(model), ".gz"))
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		load(filepath.Base(path), path)
	}
	if llama := "../../../shared/data/tokenizer/llama"; exists(llama) {
		load("llama 32k", llama)
	}
	loaded = all
	return all
}

// loaded are the tokenizers, once they were.
var loaded map[string]*tokenizer.Tokenizer

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

const walked = `{"type": "object", "properties": {
	"name": {"type": "string", "maxLength": 12}, "kind": {"enum": ["a", "b é"]},
	"list": {"type": "array", "items": {"type": "integer"}, "maxItems": 3}, "code": {"type": "string", "pattern": "^[a-f]{3}-é?\\d$"},
	"deep": {"anyOf": [{"type": "null"}, {"type": "boolean"}]}
}, "required": ["name", "code"], "additionalProperties": false}`

// A walk over any tokens that the mask has ends with a text that fits, as the tokenizer's
// decoder gives it out behind a prompt; without the mask's tokens nothing else fits.
func TestWalks(t *testing.T) {
	p, err := Schema([]byte(walked))
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range tokenizers(t) {
		v := NewVocabulary(tok)
		g := v.Grammar(p)
		random := rand.New(rand.NewPCG(1, 2))
		done := 0
		for walk := range 4 {
			text, err := randomWalk(tok, g.Begin(), random)
			if err != nil {
				if strings.Contains(err.Error(), "no token") && spells(tok, "\"{}:,[]-abcdefnkmliostpeud 0123456789") {
					t.Errorf("%s: walk %d: %v", name, walk, err)
				}
				continue
			}
			done++
			var value struct {
				Name, Code *string
				Kind       string
				List       []int64
				Deep       *bool
			}
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&value); err != nil || value.Name == nil || value.Code == nil || len([]rune(*value.Name)) > 12 || len(value.List) > 3 {
				t.Errorf("%s: %s: %v", name, text, err)
			}
			if !fits(p, strings.TrimPrefix(text, " ")) {
				t.Errorf("%s: %q does not fit", name, text)
			}
		}
		t.Logf("%s: %d of 4 walks ended, %d states", name, done, len(g.states))
		if done == 0 && spells(tok, "\"{}:,abcdefnmo-0") {
			t.Errorf("%s: no walk ended", name)
		}
	}
}

// spells says whether each character has a token of its own.
func spells(tok *tokenizer.Tokenizer, text string) bool {
	v := NewVocabulary(tok)
	has := map[string]bool{}
	for _, token := range v.tokens {
		has[string(token.bytes)] = true
	}
	for _, r := range text {
		if !has[string(r)] {
			return false
		}
	}
	return true
}

func randomWalk(tok *tokenizer.Tokenizer, m *Matcher, random *rand.Rand) (string, error) {
	decoder := tok.NewDecoder()
	for _, id := range tok.Prompt("Say: x") {
		decoder.Append(nil, id)
	}
	var out []byte
	for range 400 {
		if m.Ends() {
			return string(decoder.Flush(out)), nil
		}
		var allowed []int32
		for i, word := range m.Mask() {
			for bit := range 64 {
				if word>>bit&1 != 0 {
					allowed = append(allowed, int32(64*i+bit))
				}
			}
		}
		if len(allowed) == 0 {
			return "", fmt.Errorf("no token goes on %q", out)
		}
		id := allowed[random.IntN(len(allowed))]
		if err := m.Accept(id); err != nil {
			return "", fmt.Errorf("token %d is in the mask: %w", id, err)
		}
		out = decoder.Append(out, id)
	}
	return "", fmt.Errorf("the walk is too long: %q", out)
}

// The mask is what each token by itself says.
func TestMask(t *testing.T) {
	p, err := Schema([]byte(walked))
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range tokenizers(t) {
		v := NewVocabulary(tok)
		g := v.Grammar(p)
		for _, text := range []string{"", `{"na`, `{"name": "12345678901`, `{"code": "ab`, `{"list": [1, `, `{"name": "", "code": "abc-1"}`} {
			m := g.Begin()
			if err := m.AcceptText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			mask := m.Mask()
			for id := range int32(tok.VocabSize()) {
				one := *m
				want := one.Accept(id) == nil
				if tok.Special().Ends(id) {
					want = m.Ends()
				}
				if got := mask[id/64]>>(id%64)&1 != 0; got != want {
					t.Fatalf("%s: after %s: token %d (%q): %v, want %v", name, text, id, v.bytes[id], got, want)
				}
			}
		}
	}
}

// The bytes of tokens in the midst of a text are what the decoder gives out.
func TestTokenBytes(t *testing.T) {
	for name, tok := range tokenizers(t) {
		ids := tok.EncodeOrdinary([]byte("Some text, then \"more\" of it: 12 {é} 世界 \n\tend."))
		before := tok.Prompt("Say: x")
		decoder := tok.NewDecoder()
		for _, id := range before {
			decoder.Append(nil, id)
		}
		var want, got []byte
		for _, id := range ids {
			want = decoder.Append(want, id)
			got = append(got, tok.TokenBytes(id)...)
		}
		want = decoder.Flush(want)
		if unknown, ok := tok.ID("<unk>"); ok {
			for _, id := range ids {
				if id == unknown {
					want = nil
				}
			}
		}
		if want != nil && string(got) != string(want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// States that are dropped stay with who uses them.
func TestForget(t *testing.T) {
	p, err := Schema([]byte(`{"type": "array", "items": {"type": "integer"}}`))
	if err != nil {
		t.Fatal(err)
	}
	g := bytesVocabulary.Grammar(p)
	m := g.Begin()
	if err := m.AcceptText([]byte("[12, ")); err != nil {
		t.Fatal(err)
	}
	before := append([]uint64{}, m.Mask()...)
	g.forget()
	other := g.Begin()
	if err := other.AcceptText([]byte("[1]")); err != nil || !other.Ends() || !other.Final() {
		t.Error(err)
	}
	for i, word := range m.Mask() {
		if word != before[i] {
			t.Errorf("word %d: %x, was %x", i, word, before[i])
		}
	}
	if err := m.AcceptText([]byte("3]")); err != nil || !m.Ends() {
		t.Error(err)
	}
}

// What a mask costs when its state is met first, and later: of SmolLM2's 49,152 tokens where
// they are here.
func BenchmarkMask(b *testing.B) {
	tok := tokenizers(b)["llama 32k"]
	if home, err := os.UserHomeDir(); err == nil {
		if folder := filepath.Join(home, ".cache/mobilellm/smollm2/0.1.2"); exists(folder) {
			var err error
			if tok, err = tokenizer.Load(folder); err != nil {
				b.Fatal(err)
			}
		}
	}
	if tok == nil {
		b.Skip("no large vocabulary is here")
	}
	start := time.Now()
	v := NewVocabulary(tok)
	b.Logf("%d tokens sorted in %v", tok.VocabSize(), time.Since(start))
	p, err := Schema([]byte(walked))
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{"key": "{", "text": `{"name": "`, "number": `{"list": [1`} {
		b.Run("first/"+name, func(b *testing.B) {
			for b.Loop() {
				g := v.Grammar(p)
				m := g.Begin()
				if err := m.AcceptText([]byte(text)); err != nil {
					b.Fatal(err)
				}
				m.Mask()
			}
		})
	}
	g := v.Grammar(p)
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			m := g.Begin()
			if err := m.AcceptText([]byte(`{"name": "`)); err != nil {
				b.Fatal(err)
			}
			m.Mask()
		}
	})
}
