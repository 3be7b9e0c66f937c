package compat

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data"
	"mobilellm/data/prepare"
	"mobilellm/data/shard"
	"mobilellm/data/topk"
	"mobilellm/tokenizer"
)

// The text of each run, with the tokenizer of its checkpoint: fingerprints, ids and
// what is held out.
func TestText(t *testing.T) {
	for _, name := range copied(t) {
		c := configOf(t, name).Data
		c.Tokenizer = saved(name, ended)
		set, err := data.Load(context.Background(), c, data.LoadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := set.Train.Fingerprint(), stateOf(t, saved(name, ended)).Data.Fingerprint; got != want {
			t.Errorf("%s: the text has fingerprint %s, want %s", name, got, want)
		}
		compareTokenizer(t, name, set.Tokenizer)
	}
}

func compareTokenizer(t *testing.T, name string, tok *tokenizer.Tokenizer) {
	t.Helper()
	recorded := name
	if name == "taught" || name == "mixture" {
		recorded = "pieces"
	}
	if got, want := tok.Fingerprint(), strings.TrimSpace(string(file(t, "expected", recorded+".tokenizer"))); got != want {
		t.Errorf("%s: the tokenizer has fingerprint %s, want %s", name, got, want)
	}
	paths, err := filepath.Glob("text/*.txt")
	if err != nil || len(paths) != 12 {
		t.Fatalf("texts are %q: %v", paths, err)
	}
	var got strings.Builder
	for _, path := range paths {
		for line := range bytes.Lines(file(t, path)) {
			ids := fmt.Sprint(tok.Encode(bytes.TrimSuffix(line, []byte("\n"))))
			fmt.Fprintln(&got, strings.Trim(ids, "[]"))
		}
	}
	if got.String() != string(file(t, "expected", recorded+".ids")) {
		t.Errorf("%s: the texts have other ids", name)
	}
}

// Token shards with their manifest, and what a teacher stored beside them.
func TestShards(t *testing.T) {
	copied(t)
	m, err := prepare.ReadManifest("tokens")
	if err != nil {
		t.Fatal(err)
	}
	if !m.Complete || len(m.Shards) != 3 || m.Report.Tokens != 2306 || m.Report.Documents != 64 {
		t.Errorf("the manifest says %+v", m)
	}
	for _, record := range m.Shards {
		s, err := shard.Open(filepath.Join("tokens", record.File))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(); err != nil {
			t.Error(err)
		}
		if s.Sum != record.SHA256 || s.Tokens != record.Tokens || s.Documents != record.Documents || s.Tokenizer != m.Tokenizer {
			t.Errorf("%s holds %d tokens in %d documents, checksum %s, tokenizer %s; the manifest says %+v", s.Path, s.Tokens, s.Documents, s.Sum, s.Tokenizer, record)
		}
		s.Close()
	}
	taught, err := topk.Open("taught")
	if err != nil {
		t.Fatal(err)
	}
	defer taught.Close()
	if _, err := taught.Verify(); err != nil {
		t.Error(err)
	}
	if taught.K != 3 || taught.Seq != 32 || taught.Tokens != m.Report.Tokens || taught.Tokenizer != m.Tokenizer {
		t.Errorf("the teacher stored %+v", taught.Meta)
	}
}
