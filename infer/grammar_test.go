package infer

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"mobilellm/infer/grammar"
)

// A model of drawn weights, which writes anything, writes what the schema wants.
func TestGrammar(t *testing.T) {
	c := small(257)
	c.Context = 256
	m := open(t, savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil), LoadOptions{Slots: 4})
	p, err := grammar.Schema([]byte(`{"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string", "maxLength": 5}, "b": {"type": "boolean"}}, "required": ["n", "s", "b"]}`))
	if err != nil {
		t.Fatal(err)
	}
	g := m.Vocabulary().Grammar(p)
	s := NewScheduler(m, 8)
	defer s.Close()
	for _, o := range []Options{
		{},
		{Temperature: 1, Seed: 3},
		{Temperature: 2, TopK: 5, Seed: 4},
		{Temperature: 1, TopP: 0.9, MinP: 0.1, Seed: 5},
		{RepeatPenalty: 1.5, FrequencyPenalty: 0.5, LogProbs: 2},
	} {
		o.MaxTokens, o.Grammar = 250, g
		text := m.NewText(nil, 'x')
		var got string
		usage, err := s.Complete(context.Background(), Request{Prompt: []int32{'x'}, Options: o}, func(token Token) bool {
			piece, _ := text.Add(token.ID)
			got += piece
			return true
		})
		got += text.End()
		var value struct {
			N *int64
			S *string
			B *bool
		}
		if err != nil || usage.Finish != Stopped || json.Unmarshal([]byte(got), &value) != nil || value.N == nil || value.S == nil || value.B == nil || len([]rune(*value.S)) > 5 {
			t.Errorf("%+v: %s, %+v, %v", o, got, usage, err)
		}
	}
}

// A vocabulary that cannot spell what is wanted is an error, and the others go on.
func TestNoToken(t *testing.T) {
	m := open(t, saved(t, filepath.Join(t.TempDir(), "model"), 'a'), LoadOptions{Slots: 2}) // has no token for it
	p, err := grammar.Schema([]byte(`{"const": "a"}`))
	if err != nil {
		t.Fatal(err)
	}
	s := NewScheduler(m, 2)
	defer s.Close()
	_, err = s.Complete(context.Background(), Request{Prompt: []int32{'A'}, Options: Options{MaxTokens: 9, Grammar: m.Vocabulary().Grammar(p)}}, func(Token) bool { return true })
	if !errors.Is(err, ErrNoToken) {
		t.Errorf("%v, want %v", err, ErrNoToken)
	}
	if _, err := s.Complete(context.Background(), Request{Prompt: []int32{'A'}, Options: Options{MaxTokens: 3}}, func(Token) bool { return true }); err != nil {
		t.Error(err)
	}
}
