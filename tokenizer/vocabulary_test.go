package tokenizer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/internal/words"
)

// pieces is bytes and a few pieces.
func pieces() *Vocabulary {
	v := &Vocabulary{Kind: SentencePiece, Unknown: 0, Special: Special{BOS: 1, EOS: []int32{2}, PAD: None, Start: 1}, AddPrefix: true}
	v.Tokens = []Token{{"<unk>", 0, Unknown}, {"<s>", 0, Control}, {"</s>", 0, Control}}
	for b := range 256 {
		const digits = "0123456789ABCDEF"
		v.Tokens = append(v.Tokens, Token{"<0x" + string([]byte{digits[b>>4], digits[b&15]}) + ">", 0, Byte})
	}
	for i, text := range []string{"he", "th", "the", "t", "h", "e"} {
		v.Tokens = append(v.Tokens, Token{text, -float32(i), Normal})
	}
	return v
}

// A vocabulary of pieces becomes a tokenizer of a SentencePiece model and back.
func TestModelRoundTrip(t *testing.T) {
	want := pieces()
	tok, err := FromVocabulary(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tok.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	got.CharsMap = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("came back as %+v, want %+v", got.Special, want.Special)
	}
	if ids := tok.Prompt("the"); !slices.Equal(ids, []int32{1, 3 + 0xe2, 3 + 0x96, 3 + 0x81, 261}) {
		t.Errorf("the: %v", ids)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	want := pieces()
	got, err := vocabularyOf(want.file())
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != SentencePiece || got.Unknown != 0 || !got.AddPrefix {
		t.Errorf("came back as %+v", got)
	}
	for id, w := range want.Tokens {
		if g := got.Tokens[id]; g.Text != w.Text || g.Type != w.Type {
			t.Errorf("token %d is %+v, want %+v", id, g, w)
		}
	}
	// By score: he, th, then the, whose longer left part comes first.
	if wantMerges := []huggingface.Merge{{"h", "e"}, {"t", "h"}, {"th", "e"}, {"t", "he"}}; !slices.Equal(want.merges(), wantMerges) {
		t.Errorf("merges %v, want %v", want.merges(), wantMerges)
	}
	if the, he := got.Tokens[261], got.Tokens[259]; the.Score >= he.Score {
		t.Errorf("%+v goes before %+v", the, he)
	}
}

func TestByteLevelRoundTrip(t *testing.T) {
	for _, patterns := range [][]string{nil, {words.GPT2}, {words.Llama3}, {`\p{N}`, words.GPT2}} {
		for _, flag := range []bool{false, true} {
			want := &Vocabulary{Kind: ByteLevel, Patterns: patterns, NFC: flag, IgnoreMerges: flag, Unknown: None, Merges: [][2]string{{"a", "b"}}}
			want.Tokens = []Token{{"a", 0, Normal}, {"b", 0, Normal}, {"ab", 0, Normal}, {"<|endoftext|>", 0, Control}}
			want.Special = NoSpecial()
			f := want.file()
			raw, err := f.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if f, err = huggingface.Parse(raw); err != nil {
				t.Fatal(err)
			}
			got, err := vocabularyOf(f)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("patterns %q came back as %+v, want %+v", patterns, got, want)
			}
		}
	}
}

// Every file of a folder is written, and what the folder had is kept as it was.
func TestSaveFolder(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	tok, err := FromVocabulary(pieces())
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.Save(first); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"tokenizer_config.json": `{"tokenizer_class": "LlamaTokenizer", "mine": true, "model_max_length": 1000000000000000019884624838656}`,
		"chat_template.jinja":   "{{ messages }}", "added_tokens.json": "{}",
	} {
		if err := os.WriteFile(filepath.Join(first, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Load(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Save(second); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ModelFile, JSONFile, ConfigFile, specialMapFile, addedTokensFile, "chat_template.jinja"} {
		a, errA := os.ReadFile(filepath.Join(first, name))
		b, errB := os.ReadFile(filepath.Join(second, name))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s changed on its way: %v %v", name, errA, errB)
		}
	}
	if again.Fingerprint() != tok.Fingerprint() {
		t.Error("a saved tokenizer has another fingerprint")
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
}

// A tokenizer.json that is added is used: its class reads it as it is.
func TestAddedJSON(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	tok, err := FromVocabulary(pieces())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		ModelFile: string(tok.files[ModelFile]), ConfigFile: `{"tokenizer_class": "LlamaTokenizer", "chat_template": "<b>"}`,
	} {
		if err := os.WriteFile(filepath.Join(first, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Load(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Save(second); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(second, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(config); !strings.Contains(s, "PreTrainedTokenizerFast") || !strings.Contains(s, `"chat_template": "<b>"`) {
		t.Errorf("tokenizer_config.json is %s", s)
	}
	if _, err := os.Stat(filepath.Join(second, JSONFile)); err != nil {
		t.Error(err)
	}
}

func TestMalformed(t *testing.T) {
	for _, tt := range []struct{ json, want string }{
		{`{`, "unexpected end"},
		{`{"model":{"type":"WordLevel"}}`, `model.type "WordLevel"`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}`, `merge "ab": want two tokens`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`, "merge of 1 tokens"},
		{`{"model":{"type":"BPE","vocab":{"a":0}},"decoder":{"type":"CTC"}}`, "decoder CTC: unknown tokenizer kind"},
		{`{"model":{"type":"BPE","vocab":{"a":99999999}},"decoder":{"type":"ByteLevel"},"pre_tokenizer":{"type":"ByteLevel"}}`, `token "a" has id 99999999`},
	} {
		if _, err := FromFiles(Files{JSONFile: []byte(tt.json)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.json, err, tt.want)
		}
	}
}

// A file that is understood can be put into other formats' terms, written and read.
func FuzzParseJSON(f *testing.F) {
	for _, v := range []*Vocabulary{pieces(), {Kind: ByteLevel, Patterns: []string{words.Llama3}, Tokens: []Token{{"a", 0, Normal}}, Special: NoSpecial(), Unknown: None}} {
		raw, err := v.file().Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, kind := range []string{
		`"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"},{"type":"Replace","pattern":{"Regex":"b|^"},"content":"c"},{"type":"Prepend","prepend":"a"}]}`,
		`"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?<=a)\\s*"},"behavior":"MergedWithNext"},{"type":"Punctuation"},{"type":"Metaspace","replacement":"_"}]}`,
		`"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Metaspace","replacement":"_"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}`,
	} {
		f.Add([]byte(`{"added_tokens":[{"content":"<s>","special":true,"lstrip":true},{"content":"b","single_word":true,"normalized":true}],` + kind +
			`,"model":{"vocab":{"a":0,"b":1,"ab":2,"c":3,"<0x41>":4},"merges":["a b"],"unk_token":"c","byte_fallback":true}}`))
	}
	f.Add([]byte(`{"pre_tokenizer":{"type":"Metaspace","replacement":"_"},"model":{"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["ab",-1.5]]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tok, err := FromFiles(Files{JSONFile: raw})
		if err != nil {
			return
		}
		for _, text := range []string{"", "a b\n", " Abc 12 \xff é\u0301<s>"} {
			for _, ids := range [][]int32{tok.Encode([]byte(text)), tok.EncodeOrdinary([]byte(text))} {
				for _, id := range ids {
					if id < 0 || int(id) >= tok.VocabSize() {
						t.Fatalf("%q: id %d of %d", text, id, tok.VocabSize())
					}
				}
				tok.Decode(ids)
			}
		}
		if _, err := tok.StartingWith(0); err != nil && tok.VocabSize() > 0 {
			if _, known := tokenText(tok.coder.(jsonCoder).File(), 0); known {
				t.Fatal(err)
			}
		}
		if v, err := tok.Vocabulary(); err == nil {
			if _, err := v.file().Marshal(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
