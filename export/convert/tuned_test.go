package convert

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/data"
	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/tokenizer/chat"
	"mobilellm/train"
)

// What tuning made of a base model goes into every export: the chat template, the added
// tokens with their rows, and the end of a turn as an end of texts.
func TestTuned(t *testing.T) {
	const base = "../../train/testdata/sft/base"
	held := filepath.Join(t.TempDir(), "held.jsonl")
	if err := os.WriteFile(held, []byte(`{"prompt": "x", "completion": "y"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	c := train.DefaultRun()
	if err := c.StartFrom(base); err != nil {
		t.Fatal(err)
	}
	c.Data.Train, c.Data.Heldout, c.Data.Kind = data.Texts("../../train/testdata/sft/chat.jsonl"), data.Texts(held), "chat"
	c.Data.ChatTemplate, c.Data.AddTokens = "chatml", []string{"<|im_start|>", "<|im_end|>"}
	c.Data.Tokenizer, c.Data.Seq, c.Data.DocumentMask = data.TokenizerBytes, 150, true
	c.Train.Steps, c.Train.Batch = 2, 3
	tuned, err := train.Run(context.Background(), c, train.Options{Init: base, Out: filepath.Join(t.TempDir(), "run"), PeakFLOPS: 1e11})
	if err != nil {
		t.Fatal(err)
	}
	m, err := export.Open(tuned.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	source, err := chat.Source("chatml")
	if err != nil {
		t.Fatal(err)
	}
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	hf, file := filepath.Join(t.TempDir(), "hf"), filepath.Join(t.TempDir(), "x.gguf")
	for _, o := range []Options{{Format: HF, Out: hf}, {Format: GGUF, Out: file}} {
		if _, _, err := Write(m, o); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(m, o.Out, dev, 8)
		if err != nil || !slices.Equal(r.Special.EOS, []int32{256, 258}) {
			t.Errorf("%s: %+v, %v", o.Format, r, err)
		}
		back, err := Read(o.Out, "")
		if err != nil {
			t.Fatal(err)
		}
		tok, err := back.Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		if template, _ := tok.ChatTemplate(); template != source {
			t.Errorf("%s: the chat template is %q", o.Format, template)
		}
		if ids := tok.Encode([]byte("<|im_start|>a<|im_end|>")); !slices.Equal(ids, []int32{257, 'a', 258}) {
			t.Errorf("%s: ids %v", o.Format, ids)
		}
	}
	if raw, err := os.ReadFile(filepath.Join(hf, "chat_template.jinja")); err != nil || string(raw) != source {
		t.Errorf("chat_template.jinja: %q, %v", raw, err)
	}
	checkMetadata(t, file, map[string]any{
		"tokenizer.ggml.eos_token_id": uint32(256), "tokenizer.ggml.eot_token_id": uint32(258), "tokenizer.chat_template": source,
	})
}
