package tokenizer

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// What a model's files say of tokens goes with a tokenizer that is saved without one.
func TestSaveAlone(t *testing.T) {
	source, err := ReadFiles("huggingface/testdata/huggingface/qwen")
	if err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]Files{
		"nothing":                    {},
		"config.json":                {modelConfigFile: []byte(`{"bos_token_id": 3, "eos_token_id": [5, 6], "pad_token_id": 7}`)},
		"generation_config.json":     {GenerationFile: []byte(`{"eos_token_id": [5, 6], "top_k": 3}`)},
		"both":                       {modelConfigFile: []byte(`{"eos_token_id": 9}`), GenerationFile: []byte(`{"eos_token_id": 8, "temperature": 0.5}`)},
		"an id beyond the tokenizer": {modelConfigFile: []byte(`{"eos_token_id": 99999}`)},
	} {
		files := source
		for file, raw := range more {
			files = files.with(file, raw)
		}
		tok, err := FromFiles(files)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := tok.SaveAlone(dir); err != nil {
			t.Fatal(err)
		}
		again, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again.Special(), tok.Special()) || again.Fingerprint() != tok.Fingerprint() {
			t.Errorf("%s: special tokens %+v, want %+v", name, again.Special(), tok.Special())
		}
		raw, err := os.ReadFile(filepath.Join(dir, GenerationFile))
		if want := more[GenerationFile]; want != nil && string(raw) != string(want) {
			t.Errorf("%s: %s is %s, %v", name, GenerationFile, raw, err)
		}
	}
}
