package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"mobilellm/infer"
)

// prompts are those of the flags, or what is piped in.
func (f *flags) prompts(in io.Reader) ([]string, error) {
	switch {
	case f.promptFile == "-":
		return readPrompts("standard input", in)
	case f.promptFile != "":
		file, err := os.Open(f.promptFile)
		if err != nil {
			return nil, fmt.Errorf("--prompt-file: %w", err)
		}
		defer file.Close()
		return readPrompts(f.promptFile, file)
	case f.prompt == "" && piped(in):
		raw, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return []string{strings.TrimSuffix(string(raw), "\n")}, nil
	}
	return []string{f.prompt}, nil
}

// piped reports whether standard input is a pipe or a file: something that ends.
func piped(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && (info.Mode()&os.ModeNamedPipe != 0 || info.Mode().IsRegular())
}

// readPrompts reads a prompt a line: a text, or a JSON object with prompt.
func readPrompts(name string, in io.Reader) ([]string, error) {
	raw, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var list []string
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		text := strings.TrimRight(string(line), "\r\n")
		if strings.HasPrefix(text, "{") {
			var object struct{ Prompt *string }
			if err := json.Unmarshal([]byte(text), &object); err != nil || object.Prompt == nil {
				return nil, fmt.Errorf("%s: line %d is no JSON object with a text called prompt", name, number)
			}
			text = *object.Prompt
		} else if strings.TrimSpace(text) == "" {
			continue
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no prompt", name)
	}
	return list, nil
}

// text is a prompt and its continuation.
type text struct {
	prompt string
	ids    []int32
	o      infer.Options
	done   chan error

	text   strings.Builder
	tokens []infer.Token
	usage  infer.Usage
	finish infer.Finish
}

// complete continues the text, and writes it to w as it comes, ended by a line feed.
func (t *text) complete(ctx context.Context, m *infer.Model, s *infer.Scheduler, stops []string, w io.Writer) error {
	text := m.NewText(stops, t.ids...)
	var written error
	write := func(piece string) bool {
		t.text.WriteString(piece)
		if piece != "" && written == nil {
			_, written = io.WriteString(w, piece)
		}
		return written == nil
	}
	stopped := false
	var err error
	t.usage, err = s.Complete(ctx, infer.Request{Prompt: t.ids, Options: t.o}, func(token infer.Token) bool {
		t.tokens = append(t.tokens, token)
		piece, more := text.Add(token.ID)
		stopped = !more
		return write(piece) && more && ctx.Err() == nil
	})
	write(text.End())
	if written == nil {
		_, written = io.WriteString(w, "\n")
	}
	if t.finish = t.usage.Finish; stopped {
		t.finish = infer.Stopped
	}
	return cmp.Or(err, ctx.Err(), written)
}

// result is a text as --json prints it.
type result struct {
	Index        int      `json:"index"`
	Prompt       string   `json:"prompt"`
	Text         string   `json:"text"`
	Finish       string   `json:"finish_reason"`
	PromptTokens int      `json:"prompt_tokens"`
	Tokens       []int32  `json:"tokens"`
	LogProbs     []judged `json:"logprobs,omitempty"`
}

// judged is a token with its log-probability and those of the likeliest.
type judged struct {
	ID      int32    `json:"id"`
	LogProb float64  `json:"logprob"`
	Top     []judged `json:"top,omitempty"`
}

func (f *flags) print(w io.Writer, i int, t *text) error {
	if !f.json && f.promptFile == "" {
		_, err := fmt.Fprintf(w, "--- %d\n%s\n", i+1, t.text.String())
		return err
	}
	r := result{Index: i, Prompt: t.prompt, Text: t.text.String(), Finish: string(t.finish), PromptTokens: len(t.ids), Tokens: []int32{}}
	for _, token := range t.tokens {
		r.Tokens = append(r.Tokens, token.ID)
		if f.options.LogProbs > 0 {
			j := judged{ID: token.ID, LogProb: token.LogProb}
			for _, c := range token.Top {
				j.Top = append(j.Top, judged{ID: c.ID, LogProb: c.LogProb})
			}
			r.LogProbs = append(r.LogProbs, j)
		}
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(r)
}
