package tokenizer

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAlign(t *testing.T) {
	text := []byte("<|im_start|>user\nthe  quick é🙂\n<|im_end|>\n a")
	for _, name := range []string{"qt", "spadd", "untyped"} {
		tok, err := Load("testdata/cases/" + name)
		if err != nil {
			t.Fatal(err)
		}
		ids := tok.Encode(text)
		starts, err := tok.Align(text, ids)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.IsSorted(starts) || len(starts) != len(ids)+1 || starts[len(ids)] != len(text) {
			t.Errorf("%s: %v", name, starts)
		}
		for i, id := range ids {
			if part := string(text[starts[i]:starts[i+1]]); part != strings.TrimPrefix(string(tok.Token(id)), " ") && part != string(tok.Token(id)) {
				t.Errorf("%s: id %d is %q, its place %q", name, id, tok.Token(id), part)
			}
		}
	}
	tok := Bytes()
	for _, c := range []struct {
		ids  string
		want string
	}{{"abd", "is not what stands at byte 2"}, {"ab", "the ids end before byte 2"}} {
		if _, err := tok.Align([]byte("abc"), tok.Encode([]byte(c.ids))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// Tokens that are added are single ones in the saved files too, a token that ends turns
// ends generated texts, and one template takes the place of all.
func TestChanged(t *testing.T) {
	qt, err := Load("testdata/cases/qt")
	if err != nil {
		t.Fatal(err)
	}
	pieces := Bytes()
	if dir := filepath.Join("..", "..", "shared", "data", "tokenizer", "llama"); In(dir) {
		if pieces, err = Load(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, tok := range map[string]*Tokenizer{"bytes": Bytes(), "qt": qt, "pieces": pieces} {
		size := int32(tok.VocabSize())
		other, added, err := tok.AddTokens([]string{"<|a|>", "<|b|>"})
		if err != nil || !slices.Equal(added, []int32{size, size + 1}) || other.VocabSize() != int(size)+2 {
			t.Fatalf("%s: %v, %v, %d of %d", name, added, err, other.VocabSize(), size)
		}
		if other, err = other.Ending(added[1]); err != nil {
			t.Fatal(err)
		}
		other = other.WithChatTemplate("{{ 1 }}")
		dir := t.TempDir()
		if err := other.SaveAlone(dir); err != nil {
			t.Fatal(err)
		}
		saved, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*Tokenizer{other, saved} {
			text := "x<|a|>y<|b|>" // SentencePiece puts a blank before each part
			ids := o.Encode([]byte(text))
			n := len(tok.Encode([]byte("x")))
			if ids[n] != added[0] || ids[len(ids)-1] != added[1] || strings.ReplaceAll(string(o.Decode(ids)), " ", "") != text || !o.IsControl(added[0]) || o.IsControl(ids[0]) {
				t.Errorf("%s: %v", name, ids)
			}
			s := o.Special()
			if want := append(slices.Clone(tok.Special().EOS), added[1]); !slices.Equal(s.EOS, want) || s.Start != tok.Special().Start || s.BOS != tok.Special().BOS {
				t.Errorf("%s: special tokens are %+v, EOS was %v", name, s, tok.Special().EOS)
			}
			if template, ok := o.ChatTemplate(); !ok || template != "{{ 1 }}" || len(o.ChatTemplates()) != 1 {
				t.Errorf("%s: the templates are %q", name, o.ChatTemplates())
			}
		}
		if tok.Fingerprint() == other.Fingerprint() || saved.Fingerprint() != other.Fingerprint() {
			t.Errorf("%s: fingerprints %s, %s, saved %s", name, tok.Fingerprint(), other.Fingerprint(), saved.Fingerprint())
		}
		if again, none, err := other.AddTokens([]string{"<|b|>"}); err != nil || none != nil || again != other {
			t.Errorf("%s: a token that is there was added: %v, %v", name, none, err)
		}
		if _, _, err := tok.AddTokens([]string{"<|a|>", "<|a|>"}); err == nil {
			t.Errorf("%s: a token was added twice", name)
		}
		if again, err := other.Ending(added[1]); err != nil || again != other {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Other keys of generation_config.json stay.
func TestEndingKeepsKeys(t *testing.T) {
	tok := Bytes()
	tok.files = tok.files.with(GenerationFile, []byte(`{"temperature": 0.5, "bos_token_id": 7, "eos_token_id": 256}`))
	other, err := tok.Ending(3)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(other.GenerationConfig(), &got); err != nil {
		t.Fatal(err)
	}
	if got["temperature"] != 0.5 || got["bos_token_id"] != 7.0 || !slices.Equal(got["eos_token_id"].([]any), []any{256.0, 3.0}) {
		t.Error(got)
	}
}
