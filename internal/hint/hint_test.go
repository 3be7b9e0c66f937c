package hint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	for name, want := range map[string]string{
		"learning_rate": "optim.lr", "Learning-Rate": "optim.lr", "n_embd": "model.dim", "max-seq-len": "data.seq", "batch_size": "train.batch", "nonsense": "",
	} {
		if got := Key(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	// A name that stood for two keys would get now one, now the other.
	count := 0
	for _, names := range keys {
		count += len(names)
	}
	if len(Names()) != count {
		t.Errorf("%d names of keys, %d of them different", count, len(Names()))
	}
}

func TestRemote(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(filepath.Join("runs", "first"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		kind Kind
		want string
	}{
		{"HuggingFaceTB/SmolLM2-135M", Model, "hint: hf download HuggingFaceTB/SmolLM2-135M --local-dir SmolLM2-135M, then name that folder"},
		{"roneneldan/TinyStories", Data, "hint: hf download --repo-type dataset roneneldan/TinyStories --local-dir TinyStories,"},
		{"https://huggingface.co/datasets/roneneldan/TinyStories/tree/main", Model, "hf download --repo-type dataset roneneldan/TinyStories "},
		{"https://huggingface.co/facebook/MobileLLM-125M", Model, "hf download facebook/MobileLLM-125M "},
		{"hf://facebook/MobileLLM-125M", Model, "hf download facebook/MobileLLM-125M "},
		{"https://example.org/a.txt", Data, "hint: curl -LO https://example.org/a.txt"},
		{"s3://bucket/key", Data, "hint: aws s3 cp"},
		{"gs://bucket/key", Data, "hint: gcloud storage cp"},
		{"file:///tmp/x", Data, "hint: it is /tmp/x"},
		{"runs/second", Model, ""},
		{"data/a.txt", Data, ""},
		{"/data/a", Data, ""},
		{"./a/b", Data, ""},
		{"a", Data, ""},
		{"a/b/c", Data, ""},
		{"", Data, ""},
	} {
		got := Remote(tt.name, tt.kind)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	if word, distance := Nearest("tokenise", []string{"teach", "tokenize", "verify"}); word != "tokenize" || distance != 1 {
		t.Errorf("%s, %d", word, distance)
	}
}

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"layer", "layers", 1},
		{"modle", "model", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
		{"lr", "rl", 1},
	}
	for _, test := range tests {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("distance of %q and %q is %d, want %d", test.a, test.b, got, test.want)
		}
		if got := editDistance(test.b, test.a); got != test.want {
			t.Errorf("distance of %q and %q is %d, want %d", test.b, test.a, got, test.want)
		}
	}
}
