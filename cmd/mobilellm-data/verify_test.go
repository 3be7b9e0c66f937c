package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// Tokens must be of the tokenizer that lies beside a shard, whatever its header says.
func TestVerifyTokenizer(t *testing.T) {
	const words = `{"model": {"vocab": {"a": 0, "b": 1}, "merges": []}}`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(words), 0o666); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	write := func(dir, fingerprint string, ids ...int32) string {
		path := filepath.Join(dir, "tokens-00000.tok")
		w, err := shard.Create(path, shard.Meta{Width: 2, Vocab: 300, BOS: shard.None, EOS: shard.None, Tokenizer: fingerprint})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(ids); err != nil {
			t.Fatal(err)
		}
		w.EndDocument(int64(len(ids)))
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	alone := write(t.TempDir(), tok.Fingerprint(), 0, 299)
	for name, tt := range map[string]struct {
		fingerprint string
		ids         []int32
		want        string // the error
	}{
		"sound":             {tok.Fingerprint(), []int32{0, 1, 1}, ""},
		"an id beyond":      {tok.Fingerprint(), []int32{0, 1, 2}, "token 2, of document 0, has id 2, outside the vocabulary of 2; the shard's own has 300"},
		"another tokenizer": {"0123456789abcdef", []int32{0, 1}, "was made with tokenizer 0123456789abcdef, not with " + tok.Fingerprint()},
	} {
		path := write(dir, tt.fingerprint, tt.ids...)
		c := newVerify()
		c.SetArgs([]string{alone, path})
		c.SilenceUsage, c.SilenceErrors = true, true
		var out strings.Builder
		c.SetOut(&out)
		switch err := c.Execute(); {
		case tt.want == "" && (err != nil || !strings.HasPrefix(out.String(), "2 shards with 5 tokens are sound")):
			t.Errorf("%s: %s, %v", name, out.String(), err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error is %v, want %q", name, err, tt.want)
		}
	}
}
