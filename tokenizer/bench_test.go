package tokenizer

import (
	"bytes"
	"os"
	"testing"
)

// The kinds of which a text is cut by hand (gpt2, llama3, qwen), by the engine for
// regular expressions (gpt4o, possessive), and into pieces.
func BenchmarkEncodeKinds(b *testing.B) {
	text, err := os.ReadFile("bpe/testdata/sample.txt")
	if err != nil {
		b.Fatal(err)
	}
	text = bytes.Repeat(text, 100)
	for _, kind := range []string{"gpt2", "llama3", "qwen", "gpt4o", "possessive", "digits", "nfc", "llama2", "metaspace-always"} {
		b.Run(kind, func(b *testing.B) {
			tok, err := Load("huggingface/testdata/huggingface/" + kind)
			if err != nil {
				b.Fatal(err)
			}
			var ids []int32
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				ids = tok.AppendPart(ids[:0], text, Part{First: true, Last: true})
			}
		})
	}
}
