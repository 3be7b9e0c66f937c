package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/infer"
	"mobilellm/tokenizer/chat"
	"mobilellm/train"
)

// A tuned model ends its answers by itself; the base model does not.
func TestTunedStops(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains two tiny models")
	}
	dir := t.TempDir()
	var text, talks strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "%d is a number, and so is %d. ", i, i+1)
		fmt.Fprintf(&talks, `{"instruction": "%d", "output": "yes"}`+"\n", i)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := train.DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 128, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02,
		LayerSharing: arch.Default().LayerSharing,
	}
	c.Data.Train, c.Data.Tokenizer, c.Data.Seq = data.Texts(write("base.txt", text.String())), data.TokenizerBytes, 128
	c.Optim.LR, c.Optim.WarmupSteps, c.Train.Steps, c.Train.Batch = 1e-2, 5, 40, 4
	base, err := train.Run(t.Context(), c, train.Options{Out: filepath.Join(dir, "base"), PeakFLOPS: 1e11})
	if err != nil {
		t.Fatal(err)
	}
	c.Data.Train, c.Data.Kind, c.Data.ChatTemplate, c.Data.DocumentMask = data.Texts(write("chat.jsonl", talks.String())), "chat", "alpaca", true
	tuned, err := train.Run(t.Context(), c, train.Options{Out: filepath.Join(dir, "tuned"), Init: base.Checkpoint, PeakFLOPS: 1e11})
	if err != nil {
		t.Fatal(err)
	}
	if before, after := stops(t, base.Checkpoint), stops(t, tuned.Checkpoint); before > 2 || after < 9 {
		t.Errorf("%d of 10 answers end before tuning and %d after", before, after)
	}
}

// stops counts the answers to ten instructions that end within 20 tokens.
func stops(t *testing.T, path string) (n int) {
	t.Helper()
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := infer.Load(path, dev, infer.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	source, err := chat.Source("alpaca")
	if err != nil {
		t.Fatal(err)
	}
	template, err := chat.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		in := chat.Input{Messages: []chat.Message{{Role: "user", Content: fmt.Sprint(19 * i)}}, AddGenerationPrompt: true}
		in.BOS, in.EOS = m.Tokenizer.TemplateTokens()
		prompt, err := template.Render(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		tokens := 0
		err = m.Generate(context.Background(), m.Tokenizer.Encode([]byte(prompt)), infer.Options{MaxTokens: 20}, func(int32) { tokens++ })
		if err != nil {
			t.Fatal(err)
		}
		if tokens < 20 {
			n++
		}
	}
	return n
}
