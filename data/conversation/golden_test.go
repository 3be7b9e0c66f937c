package conversation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mobilellm/checkpoint/modeltest"
	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
	"mobilellm/tokenizer/chat"
)

// row is a conversation in golden.json.
type row struct {
	Tokens int
	Sum    string // of the ids in decimal
	Learn  [][2]int
}

func brief(s *Sample) row {
	text, err := json.Marshal(s.IDs)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256([]byte(strings.NewReplacer("[", "", "]", "", ",", " ").Replace(string(text))))
	r := row{Tokens: len(s.IDs), Sum: hex.EncodeToString(sum[:8])}
	for _, l := range s.Learn {
		r.Learn = append(r.Learn, [2]int{l.From, l.To})
	}
	return r
}

// conversations reads the first 50 of a file of testdata or of the shared chat data.
func conversations(t *testing.T, name string, kind Kind) (list []*Conversation) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join("../../../shared/data/chat", name)
	}
	in, err := ingest.Open(path, ingest.Options{})
	if errors.Is(err, os.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for len(list) < 50 {
		record, err := in.Next()
		if err == io.EOF {
			t.Fatalf("%s has %d records", path, len(list))
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(record.Text, kind)
		if err != nil {
			t.Fatal(record.Name, err)
		}
		list = append(list, c)
	}
	return list
}

func open(t *testing.T, name string) *tokenizer.Tokenizer {
	t.Helper()
	path := "../../../shared/data/tokenizer/llama"
	if name == "smollm2" {
		var err error
		if _, path, err = modeltest.SmolLM2(); err != nil {
			t.Skip(err)
		}
	}
	tok, err := tokenizer.Load(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// The ids and the supervised ones are transformers' and trl's, for each template, form
// and tokenizer; see testdata/golden.py.
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	type list struct {
		Tokenizer, Template, Form string
		Rows                      []row
	}
	var golden struct{ Cases, Pairs []list }
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) != 24 || len(golden.Pairs) != 2 {
		t.Fatalf("%d cases and %d of pairs", len(golden.Cases), len(golden.Pairs))
	}
	opened := map[string]*tokenizer.Tokenizer{}
	check := func(c list, kind Kind) {
		t.Run(c.Tokenizer+","+c.Template+","+c.Form, func(t *testing.T) {
			if opened[c.Tokenizer] == nil {
				opened[c.Tokenizer] = open(t, c.Tokenizer)
			}
			tok, source := opened[c.Tokenizer], ""
			if c.Template != "" {
				if source, err = chat.Source(c.Template); err != nil {
					t.Fatal(err)
				}
			}
			r, err := NewRenderer(tok, source, false)
			if err != nil {
				t.Fatal(err)
			}
			all := conversations(t, c.Form, kind)
			if len(all) != len(c.Rows) {
				t.Fatalf("%d conversations, %d rows", len(all), len(c.Rows))
			}
			for i, conv := range all {
				s, err := r.Render(context.Background(), conv)
				if err != nil {
					t.Fatalf("%d: %v", i, err)
				}
				if got := brief(s); !reflect.DeepEqual(got, c.Rows[i]) {
					t.Fatalf("%d: %v, want %v\n%q", i, got, c.Rows[i], s.Text)
				}
			}
		})
	}
	for _, c := range golden.Cases {
		check(c, Chat)
	}
	for _, c := range golden.Pairs {
		c.Form = "pairs.jsonl"
		check(c, PromptCompletion)
	}
}
