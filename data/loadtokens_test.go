package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// writeShards puts byte-token shards of the documents and their tokenizer in a
// folder, two documents a shard.
func writeShards(t *testing.T, dir string, docs ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tokenizer.Bytes().Save(dir); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(docs); i += 2 {
		w, err := shard.Create(filepath.Join(dir, fmt.Sprintf("tokens-%05d.tok", i/2)), shard.Meta{
			Width: 2, Vocab: 257, BOS: shard.None, EOS: endOfText, Tokenizer: tokenizer.Bytes().Fingerprint(),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs[i:min(i+2, len(docs))] {
			if err := w.Append(append(tokenizer.Bytes().Encode([]byte(doc)), endOfText)); err != nil {
				t.Fatal(err)
			}
			w.EndDocument(int64(len(doc)))
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadShards(t *testing.T) {
	dir := t.TempDir()
	var docs []string
	for i := range 40 {
		docs = append(docs, fmt.Sprintf("document number %d says little", i))
	}
	shards := writeShards(t, filepath.Join(dir, "tokens"), docs...)
	set, err := Load(context.Background(), testConfig(shards), LoadOptions{}) // the tokenizer beside them
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the loader's
		if err := set.Train.Close(); err != nil {
			t.Error(err)
		}
	})
	all := append(readAll(set.Train), readAll(set.Heldout)[1:]...) // an EOS ends the one and opens the other
	if got := string(tokenizer.Bytes().Decode(all)); got != strings.Join(docs, tokenizer.EndOfText)+tokenizer.EndOfText {
		t.Errorf("%.200q", got)
	}
	if set.Heldout.Len() == 0 || set.Heldout.Len() > set.Train.Len()/5 || len(set.Train.Documents())+len(set.Heldout.Documents()) != 40 {
		t.Errorf("%d and %d tokens, %d and %d documents", set.Train.Len(), set.Heldout.Len(), len(set.Train.Documents()), len(set.Heldout.Documents()))
	}
	if set.Train.Bytes()+set.Heldout.Bytes() != int64(len(strings.Join(docs, ""))) {
		t.Errorf("%d and %d bytes", set.Train.Bytes(), set.Heldout.Bytes())
	}
	next(t, newLoader(t, set.Train, LoaderConfig{Batch: 2, Seq: 16})).Release()

	text := writeFiles(t, map[string]string{"a.txt": strings.Repeat("held out here\n", 20), "b.txt": strings.Repeat("a text beside\n", 50)})
	config := testConfig(filepath.Join(shards, "tokens-00001.tok"), filepath.Join(text, "b.txt"))
	config.Train[0].Weight, config.Train[1].Weight = 3, 1
	config.Heldout = Texts(filepath.Join(text, "a.txt"))
	config.Tokenizer = TokenizerBytes
	mixed, err := Load(context.Background(), config, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if mixed.Heldout.Bytes() != 20*14 || mixed.Train.Bytes() != int64(len(docs[2])+len(docs[3])+50*14) || mixed.Train.mixture == nil {
		t.Errorf("%d and %d bytes, mixture %v", mixed.Train.Bytes(), mixed.Heldout.Bytes(), mixed.Train.mixture)
	}
	if mixed.Train.Fingerprint() == set.Train.Fingerprint() {
		t.Error("fingerprints agree")
	}
}

func TestLoadOfficialLayout(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"base/2/x.jsonl":  "{\"token_ids\": [50, 51, 52]}\n",
		"base/10/x.jsonl": "{\"token_ids\": [60]}\n",
		"base/1/b.jsonl":  "{\"token_ids\": [40, 41]}\n{\"token_ids\": [42]}\n",
		"base/1/a.jsonl":  "{\"token_ids\": [30, 31]}\n",
		"base/notes/x":    "not read",
		"held.txt":        "held out",
		"bad/1/x.jsonl":   "{\"token_ids\": [30, 257]}\n",
	})
	config := testConfig(filepath.Join(dir, "base"))
	config.Tokenizer, config.Seq, config.Heldout = TokenizerBytes, 3, Texts(filepath.Join(dir, "held.txt"))
	set, err := Load(context.Background(), config, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(set.Train); !slices.Equal(got, []int32{30, 31, 40, 41, 42, 50, 51, 52, 60}) {
		t.Errorf("%v", got)
	}
	if got := set.Train.Documents(); !slices.Equal(got, []int64{0, 2, 4, 5, 8}) {
		t.Errorf("documents start at %v", got)
	}
	config.Train[0].Path = filepath.Join(dir, "bad")
	_, err = Load(context.Background(), config, LoadOptions{})
	wantError(t, "foreign id", err, "x.jsonl:1: id 257 is outside the vocabulary of 257")
	config.Tokenizer = TokenizerTrain
	_, err = Load(context.Background(), config, LoadOptions{})
	wantError(t, "no tokenizer", err, "no tokenizer lies beside the tokens", "hint: ")
}

func TestLoadRefusesShards(t *testing.T) {
	dir := t.TempDir()
	shards := writeShards(t, filepath.Join(dir, "tokens"), "one document of some length", "and another")
	path := filepath.Join(shards, "tokens-00000.tok")
	config := testConfig(shards)
	config.Tokenizer = filepath.Join("..", "tokenizer", "bpe", "testdata", "bpe")
	_, err := Load(context.Background(), config, LoadOptions{})
	wantError(t, "other tokenizer", err, "tokens-00000.tok was made with tokenizer "+tokenizer.Bytes().Fingerprint(), "data.tokenizer is "+sampleBPE().Fingerprint(), "hint: ")
	config.Tokenizer = TokenizerBytes
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file[140]++
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Load(context.Background(), config, LoadOptions{})
	wantError(t, "corrupt", err, "tokens-00000.tok", "checksum")
	if err := os.WriteFile(path, file[:100], 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Load(context.Background(), config, LoadOptions{})
	wantError(t, "cut short", err, "tokens-00000.tok", "the header alone has 128")
}

// An id that the tokenizer, and so the model, lacks is told wherever the shard is
// read, before it is an address.
func TestForeignIDs(t *testing.T) {
	dir := t.TempDir()
	tok := tokenizer.Bytes()
	path := filepath.Join(dir, "tokens-00000.tok")
	w, err := shard.Create(path, shard.Meta{Width: 2, Vocab: 300, BOS: shard.None, EOS: endOfText, Tokenizer: tok.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		ids := tok.Encode([]byte("a document of some length"))
		if i == 40 {
			ids[3] = 257
		}
		if err := w.Append(append(ids, endOfText)); err != nil {
			t.Fatal(err)
		}
		w.EndDocument(25)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	text := writeFiles(t, map[string]string{"a.txt": strings.Repeat("some text\n", 100)})
	want := []string{"tokens-00000.tok", "token 1043, of document 40, has id 257, outside the vocabulary of 257", "hint: "}
	trained := testConfig(dir)
	trained.Tokenizer = TokenizerBytes
	_, err = Load(context.Background(), trained, LoadOptions{})
	wantError(t, "training", err, want...)
	scored := testConfig(filepath.Join(text, "a.txt"))
	scored.Tokenizer, scored.Heldout = TokenizerBytes, Texts(path)
	_, err = Load(context.Background(), scored, LoadOptions{})
	wantError(t, "held out", err, want...)
	_, err = OpenTokens(context.Background(), dir, tok, 257)
	wantError(t, "taught", err, want...)
	whole := writeShards(t, filepath.Join(dir, "whole"), "a text")
	_, err = OpenTokens(context.Background(), whole, tok, 256) // a teacher with a row less than its tokenizer has ids
	wantError(t, "a smaller model", err, "token 6, of document 0, has id 256, outside the vocabulary of 256; the shard's own has 257")
	_, err = BuildCorpus(context.Background(), []Document{{"x.txt", []byte("text")}}, Encoding{Tokenizer: tok, Vocab: 'p'})
	wantError(t, "encoded", err, "x.txt: id 116 is outside the vocabulary of 112")
	trained.Tokenizer, trained.Train[0].Path = TokenizerBytes, filepath.Join(text, "a.txt")
	_, err = Load(context.Background(), trained, LoadOptions{Vocab: 256})
	wantError(t, "a smaller model", err, "data.tokenizer (bytes) has 257 ids, more than model.vocab_size (256)", "hint: ")
}

// A folder of shards is trained on, held out and taught whole or not at all, and what
// lies beside shards is not text.
func TestPartsOfFolders(t *testing.T) {
	dir := t.TempDir()
	docs := slices.Repeat([]string{"one document of some length", "and another"}, 10)
	gap := writeShards(t, filepath.Join(dir, "gap"), docs...)
	if err := os.Remove(filepath.Join(gap, "tokens-00003.tok")); err != nil {
		t.Fatal(err)
	}
	begun := writeShards(t, filepath.Join(dir, "begun"), docs...)
	manifest := `{"version": 1, "complete": false, "tokenizer": "x", "settings": "x", "shards": []}`
	if err := os.WriteFile(filepath.Join(begun, shard.ManifestName), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	text := writeFiles(t, map[string]string{"a.txt": strings.Repeat("some text\n", 100)})
	for _, c := range []struct {
		path string
		want []string
	}{
		{gap, []string{"gap lacks shards", "number 4 follows 2", "hint: "}},
		{begun, []string{"begun is not complete", "hint: "}},
		{dir, []string{"data: token shards lie in " + begun, ", and " + dir + " is read as text", "hint: "}},
		{filepath.Join(gap, "*.tok"), []string{"data: token shards lie in " + gap, "hint: "}},
	} {
		config := testConfig(c.path)
		_, err := Load(context.Background(), config, LoadOptions{})
		wantError(t, "training", err, c.want...)
		config = testConfig(filepath.Join(text, "a.txt"))
		config.Tokenizer, config.Heldout = TokenizerBytes, Texts(c.path)
		_, err = Load(context.Background(), config, LoadOptions{})
		wantError(t, "held out", err, c.want...)
		if strings.Contains(c.want[0], "lie in") {
			continue
		}
		_, err = OpenTokens(context.Background(), c.path, tokenizer.Bytes(), 257)
		wantError(t, "taught", err, c.want...)
		_, err = ShardTokenizer(c.path)
		wantError(t, "to teach", err, c.want...)
	}
	old := testConfig(gap)
	old.DocumentStart = StartOld
	set, err := Load(context.Background(), old, LoadOptions{}) // as the run that goes on began
	if err != nil {
		t.Fatal(err)
	}
	defer set.Train.Close()
	if n := len(set.Train.Documents()) + len(set.Heldout.Documents()); n != 18 {
		t.Errorf("%d documents of the folder as it is", n)
	}
	single, err := OpenTokens(context.Background(), filepath.Join(gap, "tokens-00004.tok"), tokenizer.Bytes(), 257)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	if len(single.Documents()) != 2 {
		t.Errorf("documents %v", single.Documents())
	}
}

func TestMixTextSources(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a/x.txt": strings.Repeat("first source speaks\n", 200), "a/y.txt": strings.Repeat("first source again\n", 30),
		"b/x.txt": strings.Repeat("second source\n", 100), "b/y.txt": strings.Repeat("second too\n", 40),
	})
	config := testConfig(filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	config.Stages = Stages{{0, []float64{1, 0}}, {64, []float64{0, 1}}}
	set, err := Load(context.Background(), config, LoadOptions{Vocab: 280})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoader(t, set.Train, LoaderConfig{Batch: 2, Seq: 16})
	for step := range 4 {
		b := next(t, l)
		text := string(set.Tokenizer.Decode(b.Inputs))
		if first := step < 2; strings.Contains(text, "first") != first || strings.Contains(text, "second") == first {
			t.Errorf("step %d: %q", step, text)
		}
		b.Release()
	}
}
