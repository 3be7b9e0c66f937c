package chat

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"mobilellm/checkpoint/gguf"
	"mobilellm/checkpoint/modeltest"
)

// golden is testdata/golden.json, which golden.py writes with transformers.
type golden struct {
	Now    string
	Tokens struct {
		BOS string `json:"bos_token"`
		EOS string `json:"eos_token"`
	}
	Conversations map[string]struct {
		Messages            []Message
		Tools               []json.RawMessage
		AddGenerationPrompt bool `json:"add_generation_prompt"`
		Variables           map[string]any
	}
	Cases []struct {
		Template, Conversation string
		result
		Spans []Span
	}
	SnippetMessages []Message `json:"snippet_messages"`
	Snippets        []struct {
		Source string
		result
	}
}

// result is a text or an error, of raise_exception or of Python itself.
type result struct {
	Text   string
	Error  *string
	Raised bool
}

func readGolden(t *testing.T) (g golden, now time.Time) {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	now, err = time.Parse("2006-01-02T15:04:05", g.Now)
	if err != nil {
		t.Fatal(err)
	}
	return g, now
}

// same compares with transformers' result: the text, or that there is an error, and
// the words of one that the template raises.
func (want result) same(t *testing.T, name, text string, err error) {
	t.Helper()
	switch {
	case want.Error == nil && err != nil:
		t.Errorf("%s: %v, want %q", name, err, want.Text)
	case want.Error == nil && text != want.Text:
		t.Errorf("%s:\n%q, want\n%q", name, text, want.Text)
	case want.Error != nil && err == nil:
		t.Errorf("%s: %q, want the error %q", name, text, *want.Error)
	case want.Error != nil && errors.Is(err, ErrBound):
		t.Errorf("%s: %v, want the error %q", name, err, *want.Error)
	case want.Raised && !strings.HasSuffix(err.Error(), *want.Error):
		t.Errorf("%s: %v, want the error %q", name, err, *want.Error)
	}
}

// source finds a template of a golden case.
func source(t *testing.T, name string) (string, error) {
	t.Helper()
	if named, err := Source(name); err == nil {
		return named, nil
	}
	if name != "smollm2" {
		raw, err := os.ReadFile("testdata/templates/" + name + ".jinja")
		if err != nil {
			t.Fatal(err)
		}
		return string(raw), nil
	}
	path, _, err := modeltest.SmolLM2()
	if err != nil {
		return "", err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	template, ok := f.Metadata["tokenizer.chat_template"].(string)
	if !ok {
		t.Fatal("SmolLM2 has no chat template")
	}
	return template, nil
}

func TestGoldenConversations(t *testing.T) {
	g, now := readGolden(t)
	templates := map[string]*Template{}
	for _, c := range g.Cases {
		if _, ok := templates[c.Template]; ok {
			continue
		}
		templates[c.Template] = nil
		text, err := source(t, c.Template)
		if err != nil {
			t.Run(c.Template, func(t *testing.T) { t.Skip(err) })
			continue
		}
		parsed, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", c.Template, err)
		}
		templates[c.Template] = parsed
	}
	for _, c := range g.Cases {
		template := templates[c.Template]
		if template == nil {
			continue
		}
		name := c.Template + ", " + c.Conversation
		conversation, ok := g.Conversations[c.Conversation]
		if !ok {
			t.Fatalf("%s: no such conversation", name)
		}
		in := Input{
			Messages: conversation.Messages, Tools: conversation.Tools, Variables: conversation.Variables,
			AddGenerationPrompt: conversation.AddGenerationPrompt, BOS: g.Tokens.BOS, EOS: g.Tokens.EOS, Now: now,
		}
		text, err := template.Render(context.Background(), in)
		c.same(t, name, text, err)
		if err != nil {
			continue
		}
		with, spans, err := template.RenderSpans(context.Background(), in)
		if err != nil || with != text {
			t.Errorf("%s: with spans %q, %v, want %q", name, with, err, text)
		}
		if len(spans)+len(c.Spans) > 0 && !reflect.DeepEqual(spans, c.Spans) {
			t.Errorf("%s: spans %v, want %v", name, spans, c.Spans)
		}
	}
}

func TestGoldenSnippets(t *testing.T) {
	g, now := readGolden(t)
	in := Input{Messages: g.SnippetMessages, BOS: g.Tokens.BOS, EOS: g.Tokens.EOS, Now: now}
	for _, s := range g.Snippets {
		var text string
		template, err := Parse(s.Source)
		if err == nil {
			text, err = template.Render(context.Background(), in)
		}
		s.same(t, s.Source, text, err)
	}
}
