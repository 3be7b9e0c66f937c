package export_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/export"
	"mobilellm/export/exporttest"
)

var update = flag.Bool("update", false, "write testdata/card.md anew")

// The card of a run's checkpoint says how it was trained, and no path.
func TestCard(t *testing.T) {
	const run = "../internal/compat/testdata/f944537/runs/bpe"
	m, err := export.Open(run)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "small-model")
	if _, err := m.SaveFolder(dir, export.FolderOptions{DType: "BF16", License: "apache-2.0"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, checkpoint.CardFile))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/card.md", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/card.md")
	if err != nil || string(got) != string(want) {
		t.Errorf("the card is\n%s\nwant, %v,\n%s\n(-update writes it)", got, err, want)
	}
	if text := string(got); strings.Contains(text, "no value") || strings.Contains(text, "%!") || strings.Contains(text, " /") {
		t.Errorf("the card has a path, or lacks a value:\n%s", text)
	}
}

// A card that is there goes on, and a model without a run has one of its shape.
func TestCardOfOthers(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	if _, err := exporttest.Model(exporttest.Config(), 1).SaveFolder(first, export.FolderOptions{DType: "F32"}); err != nil {
		t.Fatal(err)
	}
	card := filepath.Join(first, checkpoint.CardFile)
	raw, err := os.ReadFile(card)
	if err != nil || !strings.HasPrefix(string(raw), "---\nlibrary_name: transformers\n") || strings.Contains(string(raw), "## Training") {
		t.Errorf("the card is\n%s\n%v", raw, err)
	}
	if err := os.WriteFile(card, []byte("Theirs.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := export.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := m.SaveFolder(second, export.FolderOptions{DType: "F32", License: "mit"})
	if err != nil || len(notes) != 1 || notes[0] != "README.md is the model's own, without the license mit" {
		t.Fatalf("%q, %v", notes, err)
	}
	if raw, err := os.ReadFile(filepath.Join(second, checkpoint.CardFile)); err != nil || string(raw) != "Theirs.\n" {
		t.Errorf("the card of the copy is %q, %v", raw, err)
	}
}

func TestLicense(t *testing.T) {
	for name, ok := range map[string]bool{"": true, "apache-2.0": true, "cc-by-4.0": true, "Apache 2.0": false, "mit\nx: y": false} {
		if err := export.CheckLicense(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
