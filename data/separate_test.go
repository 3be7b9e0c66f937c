package data

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// essay is a text that no other number's has a line of.
func essay(number, lines int) string {
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "essay %d says in its line %d what none else says\n", number, i)
	}
	return text.String()
}

// apart makes sure that no line of the held-out text is trained on, and returns what
// is.
func apart(t *testing.T, name string, set *Set) string {
	t.Helper()
	train := set.Tokenizer.Decode(readAll(set.Train))
	for line := range bytes.Lines(set.Tokenizer.Decode(readAll(set.Heldout))) {
		line = bytes.ReplaceAll(line, []byte(tokenizer.EndOfText), nil)
		if len(line) > 20 && bytes.Contains(train, line) {
			t.Errorf("%s: %q is held out and trained on", name, line)
			break
		}
	}
	return string(train)
}

func loadSet(t *testing.T, name string, config Config) *Set {
	t.Helper()
	set, err := Load(context.Background(), config, LoadOptions{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() { set.Train.Close() })
	return set
}

// Held-out text is kept out of training by whatever way it came to both.
func TestHeldoutTextIsNotTrainedOn(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"text/a.txt": essay(1, 40), "text/b.txt": essay(2, 40), "text/v.txt": essay(3, 20),
		"lines.jsonl": fmt.Sprintf("{\"text\": %q}\n{\"text\": %q}\n", essay(3, 20), essay(4, 30)),
		"copy.txt":    essay(3, 20),
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, make := range []error{
		os.Symlink(at("text/v.txt"), at("link.txt")), os.Link(at("text/v.txt"), at("hard.txt")), os.Symlink(at("text"), at("folder")),
	} {
		if make != nil {
			t.Skip(make) // a system without links
		}
	}
	t.Chdir(dir)
	for name, held := range map[string]string{
		"the file": at("text/v.txt"), "a link": "link.txt", "a hard link": "hard.txt", "a copy": "copy.txt", "by a linked folder": "folder/v.txt",
		"another path": "./text/../text/v.txt", "relative": "text/v.txt", "a glob": "text/v*",
	} {
		for _, weight := range []float64{1, 2} { // alone and in a mixture
			config := testConfig(at("text"), at("lines.jsonl"))
			config.Tokenizer, config.Heldout, config.Train[0].Weight = TokenizerBytes, Texts(held), weight
			set := loadSet(t, name, config)
			train := apart(t, name, set)
			for _, n := range []int{1, 2, 4} {
				if !strings.Contains(train, essay(n, 30)) {
					t.Errorf("%s: essay %d is missing", name, n)
				}
			}
			if set.Heldout.Bytes() != int64(len(essay(3, 20))) || !strings.Contains(strings.Join(set.Notes, "\n"), "documents of ") {
				t.Errorf("%s: %d bytes held out, notes %q", name, set.Heldout.Bytes(), set.Notes)
			}
		}
	}
	old := testConfig(at("text"), at("lines.jsonl"))
	old.Tokenizer, old.Heldout, old.DocumentStart = TokenizerBytes, Texts("link.txt"), StartOld
	if set := loadSet(t, "old", old); !strings.Contains(string(set.Tokenizer.Decode(readAll(set.Train))), essay(3, 20)) {
		t.Error("a run by the old rule has lost a document")
	}
}

// Where sources overlap, what is set aside of one is not trained on with another.
func TestOverlappingSources(t *testing.T) {
	files := map[string]string{"alone.txt": essay(0, 300)}
	for i := range 40 {
		files[fmt.Sprintf("text/%02d.txt", i)] = essay(i, 10+i)
	}
	dir := writeFiles(t, files)
	for _, paths := range [][]string{
		{"text", "text"}, {"text", "text/39.txt"}, {"text/39.txt", "text"}, {"alone.txt", "text/*.txt", "alone.txt"}, {"text/0?.txt", "text/0[0-4].txt"},
	} {
		config := testConfig()
		config.Tokenizer = TokenizerBytes
		for i, path := range paths {
			config.Train = append(config.Train, Source{Path: filepath.Join(dir, path), Weight: float64(i + 1)})
		}
		set := loadSet(t, fmt.Sprint(paths), config)
		apart(t, fmt.Sprint(paths), set)
		if share := float64(set.Heldout.Len()) / float64(set.Heldout.Len()+set.Train.Len()); share < 0.03 || share > 0.12 {
			t.Errorf("%v: held out %.3f", paths, share)
		}
	}
	config := testConfig(filepath.Join(dir, "text/0?.txt"), filepath.Join(dir, "text/00.txt")) // of the ten it is the one held out
	config.Tokenizer, config.Train[0].Weight = TokenizerBytes, 2
	_, err := Load(context.Background(), config, LoadOptions{})
	wantError(t, "all of it", err, "nothing of "+filepath.Join(dir, "text/00.txt")+" is left to train on", "hint: ")
}

func TestHeldoutTokensAreNotTrainedOn(t *testing.T) {
	dir := t.TempDir()
	var docs []string
	for i := range 12 {
		docs = append(docs, essay(i, 20+i))
	}
	shards := writeShards(t, filepath.Join(dir, "tokens"), docs...) // two documents a shard
	some := writeShards(t, filepath.Join(dir, "some"), essay(30, 9), docs[4], docs[11], essay(31, 9))
	text := writeFiles(t, map[string]string{"v/5.txt": docs[5], "v/new.txt": essay(50, 9), "train/7.txt": docs[7], "train/new.txt": essay(60, 90)})
	ids := writeFiles(t, map[string]string{"base/1/x.jsonl": fmt.Sprintf("{\"token_ids\": %s}\n", idList(docs[2]))})
	third := filepath.Join(shards, "tokens-00002.tok")
	for name, link := range map[string]func(string, string) error{"link.tok": os.Symlink, "hard.tok": os.Link, "copy.tok": func(from, to string) error {
		raw, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, raw, 0o644)
	}} {
		if err := link(third, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	whole := len(strings.Join(docs, "")) + 2*len(docs) // about
	for _, c := range []struct {
		name    string
		train   []string
		heldout string
		without []int // documents of shards
	}{
		{"a shard of the folder", []string{shards}, third, []int{4, 5}},
		{"its link", []string{shards}, filepath.Join(dir, "link.tok"), []int{4, 5}},
		{"its hard link", []string{shards}, filepath.Join(dir, "hard.tok"), []int{4, 5}},
		{"its copy", []string{shards}, filepath.Join(dir, "copy.tok"), []int{4, 5}},
		{"the first shard", []string{shards}, filepath.Join(shards, "tokens-00000.tok"), []int{0, 1}},
		{"the last shard", []string{shards}, filepath.Join(shards, "tokens-00005.tok"), []int{10, 11}},
		{"documents of another folder", []string{shards}, some, []int{4, 11}},
		{"text", []string{shards}, filepath.Join(text, "v"), []int{5}},
		{"ids", []string{shards}, filepath.Join(ids, "base"), []int{2}},
		{"text beside shards", []string{shards, filepath.Join(text, "train")}, filepath.Join(shards, "tokens-00003.tok"), []int{6, 7}},
	} {
		config := testConfig(c.train...)
		config.Heldout, config.Tokenizer = Texts(c.heldout), TokenizerBytes
		for _, start := range []Start{StartAuto, StartEOS} {
			config.DocumentStart = start
			set := loadSet(t, c.name, config)
			train := apart(t, c.name, set)
			for i, doc := range docs {
				want := true
				for _, n := range c.without {
					want = want && n != i
				}
				if got := strings.Contains(train, doc); got != want {
					t.Errorf("%s: document %d is trained on: %v", c.name, i, got)
				}
			}
			if got, want := strings.Count(train, tokenizer.EndOfText), len(set.Train.Documents()); got < want-1 || got > want+1 {
				t.Errorf("%s: %d EOS for %d documents", c.name, got, want)
			}
			for i, at := range set.Train.Documents() {
				head := make([]int32, 16)
				set.Train.Read(head, at)
				if text := strings.TrimPrefix(string(set.Tokenizer.Decode(head)), tokenizer.EndOfText); !strings.HasPrefix(text, "essay ") {
					t.Errorf("%s: document %d begins with %q", c.name, i, text)
				}
			}
			if !strings.Contains(strings.Join(set.Notes, "\n"), "are held out too and are not trained on") {
				t.Errorf("%s: notes %q", c.name, set.Notes)
			}
			if prefix := c.name == "the last shard"; set.Train.Gaps() == prefix || (set.Train.StreamSum() != "") != prefix {
				t.Errorf("%s: gaps %v, stream %q", c.name, set.Train.Gaps(), set.Train.StreamSum())
			}
			if int(set.Train.Len()) > whole+len(essay(60, 90))+40 {
				t.Errorf("%s: %d tokens", c.name, set.Train.Len())
			}
			if got := set.Train.TextBytes(0, set.Train.Len()); got != set.Train.Bytes() {
				t.Errorf("%s: %d bytes of text, counted %d", c.name, set.Train.Bytes(), got)
			}
		}
	}
	config := testConfig(shards)
	config.Heldout = Texts(shards)
	_, err := Load(context.Background(), config, LoadOptions{})
	wantError(t, "all of it", err, "no training text is left beside the held-out text", "hint: ")
	config = testConfig(shards, some)
	config.Train[0].Weight, config.Heldout = 3, Texts(some)
	_, err = Load(context.Background(), config, LoadOptions{})
	wantError(t, "all of a source", err, "nothing of "+some+" is left to train on, as all of it is held out too", "hint: ")
}

func idList(text string) string {
	return strings.ReplaceAll(fmt.Sprint(tokenizer.Bytes().Encode([]byte(text))), " ", ", ")
}

// What is set aside at the end of a source of tokens is nowhere else trained on, not
// even where another source has the document that is cut.
func TestOverlappingTokens(t *testing.T) {
	dir := t.TempDir()
	docs := []string{essay(1, 30), essay(2, 25), essay(3, 100), essay(4, 8), essay(5, 60), essay(6, 2)}
	shards := writeShards(t, filepath.Join(dir, "tokens"), docs...)
	text := writeFiles(t, map[string]string{"t/2.txt": docs[2], "t/4.txt": docs[4], "big.txt": essay(9, 400), "t/9.txt": essay(9, 400)})
	large := writeShards(t, filepath.Join(dir, "large"), essay(8, 10), essay(9, 400), essay(7, 10))
	for _, paths := range [][]string{
		{shards, filepath.Join(shards, "tokens-00001.tok")},
		{filepath.Join(shards, "tokens-00001.tok"), shards},
		{shards, shards},
		{shards, filepath.Join(text, "t")},
		{filepath.Join(text, "t"), shards},
		{filepath.Join(text, "big.txt"), large},
		{large, filepath.Join(text, "big.txt")},
	} {
		config := testConfig(paths...)
		config.Tokenizer, config.Train[0].Weight = TokenizerBytes, 3
		set := loadSet(t, fmt.Sprint(paths), config)
		if n := len(set.Train.docs) + len(set.Heldout.docs); set.Read.Documents >= n || set.Read.Documents < n-2 {
			t.Errorf("%v: read %d documents, %d lie on the two sides", paths, set.Read.Documents, n)
		}
		apart(t, fmt.Sprint(paths), set)
		parts := set.Train.mixture.parts
		for i, p := range parts {
			at := make([]int32, 30)
			set.Train.Read(at, p.from)
			if head := strings.TrimPrefix(string(set.Tokenizer.Decode(at)), tokenizer.EndOfText); !strings.HasPrefix(head, "essay ") || p.to <= p.from {
				t.Errorf("%v: part %d is %+v and begins with %q", paths, i, p, head)
			}
		}
		if last := parts[len(parts)-1].to; last != set.Train.Len() {
			t.Errorf("%v: the last part ends at %d of %d", paths, last, set.Train.Len())
		}
	}
}

// The same for every way in which shards open documents and store ids.
func TestHeldoutShardsOfAnyKind(t *testing.T) {
	for name, kind := range shardKinds() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var docs []string
			for i := range 10 {
				docs = append(docs, essay(i, 10+i))
			}
			shards := preparedShards(t, filepath.Join(dir, "tokens"), kind, docs...)
			some := preparedShards(t, filepath.Join(dir, "some"), kind, essay(20, 8), docs[3], docs[8], docs[9], essay(21, 8))
			text := writeFiles(t, map[string]string{"a.txt": docs[0]})
			for _, held := range []Sources{Texts(some), Texts(filepath.Join(text, "a.txt"), some), Texts(filepath.Join(shards, shard.Name(2)))} {
				config := testConfig(shards)
				config.Heldout = held
				set := loadSet(t, name, config)
				want := 7
				switch {
				case len(held) == 2:
					want = 6
				case held[0].Path != some:
					want = 8
				}
				if got := len(set.Train.Documents()); got != want {
					t.Errorf("%v: %d documents are left, want %d", held, got, want)
				}
				kept := map[string]bool{}
				for i := range set.Train.Documents() {
					from, to := set.aside.edges.content(set.Train, i)
					ids := make([]int32, to-from)
					set.Train.Read(ids, from)
					kept[strings.TrimSpace(string(set.Tokenizer.Decode(ids)))] = true
					if end := set.Train.end(i) - 1; i == want-1 && !set.Tokenizer.Special().Ends(set.Train.token(end)) {
						t.Errorf("%v: the last document ends with %d", held, set.Train.token(end))
					}
				}
				if len(kept) != want || !kept[strings.TrimSpace(docs[2])] || held[0].Path == some && kept[strings.TrimSpace(docs[3])] {
					t.Errorf("%v: %d are left", held, len(kept))
				}
				if got := set.Train.TextBytes(0, set.Train.Len()); got != set.Train.Bytes() {
					t.Errorf("%v: %d bytes of text, counted %d", held, set.Train.Bytes(), got)
				}
				place := span{start: 0, n: 17, high: set.Train.Len()}
				documentStarts(set.Train.Documents()).number(make([]int32, 16), place) // in order
			}
		})
	}
}
