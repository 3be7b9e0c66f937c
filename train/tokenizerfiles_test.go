package train

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"mobilellm/tokenizer"
)

// What a tokenizer came with goes through a run to the byte: its template, lengths and
// padding, and how other tools generate text. Only what opens documents is said anew,
// in tokenizer.json.
func TestTokenizerFilesTravel(t *testing.T) {
	const source = "../export/convert/testdata/cases/qt"
	dir := t.TempDir()
	files := map[string]string{
		"generation_config.json": `{"eos_token_id": [2, 0], "pad_token_id": 0, "temperature": 0.7, "top_k": 20, "do_sample": true}`,
		"added_tokens.json":      `{"<|im_start|>": 1, "<|im_end|>": 2}`,
		"vocab.json":             `{"a": 0}`,
		"merges.txt":             "#version: 0.2\n",
		"additional_chat_templates/tool_use.jinja": "{{ tools }}",
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} {
		files[name] = file(t, source, name)
	}
	if err := os.Mkdir(filepath.Join(dir, "additional_chat_templates"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := tiny(t)
	c.Data.Tokenizer, c.Model.VocabSize, c.Train.Steps = dir, 405, 2
	out, _ := train(t, c, Options{})
	resumed := c
	resumed.Train.Steps = 4
	train(t, resumed, Options{Out: out, Resume: filepath.Join(out, CheckpointsDir, "step-00000002")})
	for _, step := range []string{"step-00000002", "step-00000004"} {
		saved := filepath.Join(out, "checkpoints", step)
		for name, want := range files {
			if name != "tokenizer.json" && file(t, saved, name) != want {
				t.Errorf("%s: %s became %s", step, name, file(t, saved, name))
			}
		}
		tok, err := tokenizer.Load(saved)
		if err != nil {
			t.Fatal(err)
		}
		if s := tok.Special(); s.BOS != tokenizer.None || s.PAD != 0 || s.Start != 2 || len(s.EOS) != 2 {
			t.Errorf("%s: special tokens %+v", step, s)
		}
		if !bytes.Contains([]byte(file(t, saved, "tokenizer.json")), []byte("replaced_post_processor")) {
			t.Errorf("%s: nothing opens a text", step)
		}
	}
}
