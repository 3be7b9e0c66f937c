package tokenizer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Folders as people have them, which earlier versions refused or read otherwise;
// testdata/cases.py wrote the library's ids.
func TestCases(t *testing.T) {
	folders, err := os.ReadDir("testdata/cases")
	if err != nil || len(folders) != 5 {
		t.Fatal(len(folders), err)
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/cases", folder.Name())
			tok, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join(dir, "ids.json"))
			if err != nil {
				t.Fatal(err)
			}
			var rows []struct {
				Text          string
				IDs, Ordinary []int32
				Decoded       string
			}
			if err := json.Unmarshal(raw, &rows); err != nil {
				t.Fatal(err)
			}
			if len(rows) < 16 {
				t.Fatalf("%d rows", len(rows))
			}
			for _, row := range rows {
				if got := tok.Encode([]byte(row.Text)); !slices.Equal(got, row.IDs) {
					t.Errorf("%q: %v, want %v", row.Text, got, row.IDs)
				}
				if got := tok.EncodeOrdinary([]byte(row.Text)); !slices.Equal(got, row.Ordinary) {
					t.Errorf("%q as ordinary text: %v, want %v", row.Text, got, row.Ordinary)
				}
				if got := lossy(tok.Decode(row.IDs)); got != row.Decoded {
					t.Errorf("decoding %v: %q, want %q", row.IDs, got, row.Decoded)
				}
			}
			// What is saved is what was read.
			saved := t.TempDir()
			if err := tok.Save(saved); err != nil {
				t.Fatal(err)
			}
			files, err := ReadFiles(dir)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ReadFiles(saved)
			if err != nil || !maps.EqualFunc(files, again, func(a, b []byte) bool { return string(a) == string(b) }) {
				t.Errorf("the files changed on their way: %v, %v", slices.Sorted(maps.Keys(again)), err)
			}
		})
	}
}

// What the files of a case say of special tokens.
func TestCasesSpecial(t *testing.T) {
	for name, want := range map[string]Special{
		"qt":          {BOS: None, EOS: []int32{2}, PAD: 0, Start: None},
		"spadd":       {BOS: 1, EOS: []int32{421}, PAD: None, Start: 1},
		"no-alphabet": {BOS: 0, EOS: []int32{0}, PAD: None, Start: None},
		"untyped":     {BOS: None, EOS: []int32{0}, PAD: None, Start: None},
	} {
		tok, err := Load("testdata/cases/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Special(); got.BOS != want.BOS || !slices.Equal(got.EOS, want.EOS) || got.PAD != want.PAD || got.Start != want.Start {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// spadd are the files of a folder whose added tokens stand in several of them.
func spadd(t *testing.T) Files {
	t.Helper()
	files, err := ReadFiles("testdata/cases/spadd")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// the ids of a chat with the two added tokens.
var (
	chat    = []byte("<|im_start|>user\nthe quick fox<|im_end|>\n")
	chatIDs = []int32{420, 382, 398, 385, 263, 13, 391, 345, 291, 294, 421, 382, 13}
)

// Tokens that are added to a SentencePiece model are found whichever file adds them.
func TestAddedToModel(t *testing.T) {
	all := spadd(t)
	only := func(names ...string) Files {
		f := Files{}
		for _, name := range names {
			f[name] = all[name]
		}
		return f
	}
	noDecoder := []byte(`{"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "<|im_end|>"}`)
	for name, files := range map[string]Files{
		"all":                  all,
		"tokenizer.json":       only(ModelFile, JSONFile),
		"added_tokens.json":    only(ModelFile, addedTokensFile),
		"added_tokens_decoder": only(ModelFile, ConfigFile),
		"both of them":         only(ModelFile, addedTokensFile, ConfigFile),
		"no decoder":           only(ModelFile, addedTokensFile).with(ConfigFile, noDecoder),
		"other ids":            only(ModelFile).with(addedTokensFile, []byte(`{"<|im_start|>": 500, "<|im_end|>": 700}`)),
	} {
		tok, err := FromFiles(files)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := tok.Encode(chat); !slices.Equal(got, chatIDs) || tok.VocabSize() != 422 {
			t.Errorf("%s: %v of %d, want %v", name, got, tok.VocabSize(), chatIDs)
		}
		if got := tok.EncodeOrdinary(chat); slices.Max(got) >= 420 {
			t.Errorf("%s: as ordinary text %v", name, got)
		}
	}
}

// Where a model and a tokenizer.json say the same the model's ids count, and the other
// file's where it says more.
func TestModelAndJSON(t *testing.T) {
	tok, err := FromVocabulary(pieces())
	if err != nil {
		t.Fatal(err)
	}
	again, err := FromFiles(tok.files)
	if err != nil {
		t.Fatal(err)
	}
	if !again.IsSentencePiece() || again.Fingerprint() != tok.Fingerprint() {
		t.Error("a tokenizer.json that says the same counts")
	}
	if tok, err = FromFiles(spadd(t)); err != nil || tok.IsSentencePiece() {
		t.Errorf("a tokenizer.json that says more does not count: %v", err)
	}
	// tiktoken's list of tokens is no SentencePiece model.
	qt, err := ReadFiles("testdata/cases/qt")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := FromFiles(qt)
	if err != nil {
		t.Fatal(err)
	}
	beside, err := FromFiles(qt.with(ModelFile, []byte("IQ== 0\nIg== 1\nIw== 2\n")))
	if err != nil || beside.Fingerprint() != plain.Fingerprint() {
		t.Errorf("beside a list of tiktoken's: %v", err)
	}
	_, err = FromFiles(Files{ModelFile: []byte("IQ== 0\nIg== 1\n")})
	wantError(t, "tiktoken alone", err, "tokenizer.model", "tiktoken")
}

// Files of which one cannot be the model's are an error that names what differs.
func TestModelDisagrees(t *testing.T) {
	all := spadd(t)
	change := func(from, to string) Files {
		text := string(all[JSONFile])
		if !strings.Contains(text, from) {
			t.Fatalf("tokenizer.json has no %s", from)
		}
		return all.with(JSONFile, []byte(strings.Replace(text, from, to, 1)))
	}
	for name, tt := range map[string]struct {
		files Files
		want  []string
	}{
		"ids":               {change(`"▁quick": 291`, `"▁quack": 291`), []string{"disagree", "id 291", `"▁quack"`, `"▁quick"`, "hint: "}},
		"added in midst":    {Files{ModelFile: all[ModelFile], addedTokensFile: []byte(`{"<|x|>": 291}`)}, []string{`added token "<|x|>"`, "id 291", `"▁quick"`}},
		"broken decoder":    {Files{ModelFile: all[ModelFile], ConfigFile: []byte(`{"added_tokens_decoder": 1}`)}, []string{"tokenizer_config.json"}},
		"several ids":       {change(`"▁quick": 291`, `"▁zzz": 400, "▁quack": 291`), []string{"disagree", "id 291", `"▁quack"`, `"▁quick"`}},
		"negative id":       {change(`"▁quick": 291`, `"▁quick": -291`), []string{`token "▁quick" has id -291`}},
		"negative added":    {all.with(JSONFile, []byte(`{"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": [{"id": -3, "content": "<|x|>"}]}`)), []string{`added token "<|x|>" has id -3`}},
		"negative addition": {Files{ModelFile: all[ModelFile], addedTokensFile: []byte(`{"<|x|>": -5}`)}, []string{`"<|x|>"`, "-5"}},
		"broken additions":  {Files{ModelFile: all[ModelFile], addedTokensFile: []byte(`[]`)}, []string{"added_tokens.json"}},
		"broken json":       {all.with(JSONFile, []byte("{")), []string{"tokenizer.json", "unexpected end"}},
		"fewer":             {all.with(JSONFile, []byte(`{"model": {"type": "BPE", "vocab": {"<unk>": 0}, "merges": []}}`)), []string{"tokenizer.json has 1 tokens, tokenizer.model 420"}},
	} {
		_, err := FromFiles(tt.files)
		wantError(t, name, err, tt.want...)
	}
}
