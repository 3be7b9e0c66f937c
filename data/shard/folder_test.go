package shard

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fill writes shards of these names and returns their folder.
func fill(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		write(t, filepath.Join(dir, name), Meta{Width: 2, Vocab: 300, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"}, []int32{int32(i), 2})
	}
	return dir
}

// describe writes the manifest of a folder's shards as change leaves it.
func describe(t *testing.T, dir string, change func(m *Manifest)) {
	t.Helper()
	m := Manifest{Version: 1, Complete: true, Tokenizer: "0123456789abcdef", Settings: "00"}
	names, _, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m.Shards = append(m.Shards, Record{File: name, Tokens: info.Tokens, Documents: info.Documents, TextBytes: info.TextBytes, SHA256: info.Sum})
	}
	change(&m)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, ManifestName, string(text))
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A folder is taken as its manifest says, or not at all.
func TestFolderWithManifest(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   []string // parts of the error; none where the folder is whole
	}{
		{"whole", func(*testing.T, string) {}, nil},
		{"another order", func(t *testing.T, dir string) {
			describe(t, dir, func(m *Manifest) { slices.Reverse(m.Shards) })
		}, nil},
		{"other files beside", func(t *testing.T, dir string) { put(t, dir, "tokenizer.json", "{}") }, nil},
		{"begun anew", func(t *testing.T, dir string) { put(t, dir, "tokens-00009.tok.partial", "") }, nil},
		{"incomplete", func(t *testing.T, dir string) {
			describe(t, dir, func(m *Manifest) { m.Complete = false })
		}, []string{"is not complete: manifest.json says so", "\nhint: start mobilellm-data tokenize again"}},
		{"missing", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "tokens-00001.tok")); err != nil {
				t.Fatal(err)
			}
		}, []string{" lacks tokens-00001.tok, which its manifest.json names", "\nhint: "}},
		{"all missing", func(t *testing.T, dir string) {
			for i := range 3 {
				if err := os.Remove(filepath.Join(dir, Name(i))); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"lacks tokens-00000.tok", "lacks tokens-00001.tok", "lacks tokens-00002.tok"}},
		{"extra", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "tokens-00003.tok"), Meta{Width: 2, Vocab: 300, Tokenizer: "0123456789abcdef"}, []int32{9})
		}, []string{" holds tokens-00003.tok, which its manifest.json does not name", "\nhint: "}},
		{"of other text", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "tokens-00001.tok"), Meta{Width: 2, Vocab: 300, Tokenizer: "0123456789abcdef"}, []int32{9})
		}, []string{"tokens-00001.tok: checksum ", ", the manifest says ", "\nhint: "}},
		{"another and one missing", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "tokens-00001.tok"), Meta{Width: 2, Vocab: 300, Tokenizer: "0123456789abcdef"}, []int32{9})
			if err := os.Rename(filepath.Join(dir, "tokens-00000.tok"), filepath.Join(dir, "x.tok")); err != nil {
				t.Fatal(err)
			}
		}, []string{"tokens-00001.tok: checksum ", "lacks tokens-00000.tok", "holds x.tok"}},
		{"another tokenizer", func(t *testing.T, dir string) {
			describe(t, dir, func(m *Manifest) { m.Tokenizer = "fedcba9876543210" })
		}, []string{"tokenizer 0123456789abcdef, the manifest says fedcba9876543210"}},
		{"twice", func(t *testing.T, dir string) {
			describe(t, dir, func(m *Manifest) { m.Shards = append(m.Shards, m.Shards[0]) })
		}, []string{"manifest.json names tokens-00000.tok twice"}},
		{"a path", func(t *testing.T, dir string) {
			describe(t, dir, func(m *Manifest) { m.Shards[0].File = "../tokens-00000.tok" })
		}, []string{"lacks ../tokens-00000.tok", "holds tokens-00000.tok"}},
		{"cut short", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "tokens-00002.tok"), 130); err != nil {
				t.Fatal(err)
			}
		}, []string{"tokens-00002.tok", "cut short"}},
		{"broken manifest", func(t *testing.T, dir string) { put(t, dir, ManifestName, `{"version": 1,`) }, []string{"manifest.json: "}},
		{"newer manifest", func(t *testing.T, dir string) { put(t, dir, ManifestName, `{"version": 2}`) }, []string{"manifest.json: version 2, want 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fill(t, "tokens-00000.tok", "tokens-00001.tok", "tokens-00002.tok")
			describe(t, dir, func(*Manifest) {})
			c.change(t, dir)
			paths, err := Folder(dir)
			if len(c.want) == 0 {
				if err != nil || len(paths) != 3 {
					t.Errorf("%v, %v", paths, err)
				}
				return
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
		})
	}
	dir := fill(t, "b.tok", "a.tok")
	describe(t, dir, func(m *Manifest) { slices.Reverse(m.Shards) })
	if paths, err := Folder(dir); err != nil || filepath.Base(paths[0]) != "b.tok" {
		t.Errorf("%v, %v: want the manifest's order", paths, err)
	}
}

// Without a manifest there is no more to go by than names.
func TestFolderWithoutManifest(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  string // error
	}{
		{"none", nil, ""},
		{"one", []string{"tokens-00000.tok"}, ""},
		{"one of the middle", []string{"tokens-00005.tok"}, ""},
		{"in a row", []string{"tokens-00000.tok", "tokens-00001.tok", "tokens-00002.tok"}, ""},
		{"from one on", []string{"part1.tok", "part2.tok", "part3.tok"}, ""},
		{"over ten", []string{"p9.tok", "p10.tok", "p11.tok"}, ""},
		{"without numbers", []string{"books.tok", "web.tok"}, ""},
		{"two rows", []string{"a-0.tok", "a-1.tok", "b-5.tok", "b-6.tok"}, ""},
		{"counted", []string{"s-00001-of-00003.tok", "s-00002-of-00003.tok", "s-00003-of-00003.tok"}, ""},
		{"gap", []string{"tokens-00000.tok", "tokens-00002.tok"}, "lacks shards: of tokens-….tok number 2 follows 0, and no manifest.json"},
		{"gap of one row", []string{"a-0.tok", "a-1.tok", "b-5.tok", "b-7.tok"}, "of b-….tok number 7 follows 5"},
		{"counted, one missing", []string{"s-00001-of-00003.tok", "s-00002-of-00003.tok"}, "there are 2 of 3"},
		{"being written", []string{"tokens-00000.tok", "tokens-00001.tok.partial"}, "is not complete: tokens-00001.tok.partial is being written"},
		{"begun", []string{"tokens-00000.tok", ".tokens-00001.tok.tmp-123"}, "is not complete: .tokens-00001.tok.tmp-123 is being written"},
		{"only being written", []string{"tokens-00000.tok.partial"}, "is not complete: tokens-00000.tok.partial is being written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fill(t, c.files...)
			paths, err := Folder(dir)
			if c.want == "" {
				if err != nil || len(paths) != len(c.files) || !slices.IsSorted(paths) {
					t.Errorf("%v, %v", paths, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "\nhint: ") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := Folder(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// A folder of text may have a manifest.json of something else; one of shards that has
// none yet is not text.
func TestFolderOfText(t *testing.T) {
	for text, want := range map[string]string{
		`{"manifest_version": 3, "name": "a program"}`:           "",
		`{"version": "1.0.2"}`:                                   "",
		`{"version": 1, "name": "a program", "complete": false}`: "",
		`no JSON`: "",
		`{"version": 1, "complete": false, "tokenizer": "0", "settings": "0"}`:                               "is not complete",
		`{"version": 1, "complete": true, "tokenizer": "0", "settings": "0"}`:                                "",
		`{"version": 1, "complete": true, "tokenizer": "0", "settings": "0", "shards": [{"file": "x.tok"}]}`: "lacks x.tok",
	} {
		dir := t.TempDir()
		put(t, dir, ManifestName, text)
		paths, err := Folder(dir)
		if want == "" && (err != nil || paths != nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %v; want %q", text, paths, err, want)
		}
	}
}
