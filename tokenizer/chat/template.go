package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ardanlabs/jinja"

	"mobilellm/tokenizer"
)

// Template makes a text of a conversation. It may be rendered by several goroutines
// at once.
type Template struct {
	compiled *jinja.Template
	time     time.Duration // that a rendering may take
}

// Parse reads Jinja source, with its lines trimmed as transformers does (trim_blocks,
// lstrip_blocks). An error names the line. The source has up to 1 MiB, a tag up to
// 10,000 tokens, and nothing is nested more than 100 deep.
//
// Not known are: include, import, extends, block, with, recursive loops, loops over
// more than two variables, and filters of jinja2 that no chat template uses.
func Parse(source string) (t *Template, err error) {
	out, err := rewrite(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	defer recovered(&err)
	compiled, err := jinja.Compile(out)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{compiled, maxTime}, nil
}

// recovered makes an error of a panic of the library.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("chat template: %v", p)
	}
}

// ErrNone says that a tokenizer has no chat template.
var ErrNone = errors.New("the model has no chat template; choose one by name: " + namesOf())

// For is the template of a tokenizer: with tools that called tool_use, where it has
// one, and else its default. The error is [ErrNone] where it has neither.
func For(tok *tokenizer.Tokenizer, tools bool) (*Template, error) {
	all := tok.ChatTemplates()
	source, ok := all[tokenizer.DefaultTemplate]
	if withTools, has := all[tokenizer.ToolTemplate]; tools && has {
		source, ok = withTools, true
	}
	if !ok {
		return nil, ErrNone
	}
	return Parse(source)
}

// Input is what a template makes a text of.
type Input struct {
	Messages            []Message
	Tools               []json.RawMessage // JSON schemas, as OpenAI's tools
	AddGenerationPrompt bool              // end with what opens the assistant's answer
	BOS, EOS            string            // texts of those tokens; empty where there is none
	Variables           map[string]any    // others, such as enable_thinking; JSON's kinds
	Now                 time.Time         // for strftime_now; zero for the present
}

// Span is a part of a text in bytes.
type Span struct{ Start, End int }

// Render makes the text that transformers' apply_chat_template makes.
//
// It runs in the caller's goroutine and ends when ctx does, after 2 s, and when it has
// made strings and lists of more than 64 MiB and 32 times its input; macros may call
// each other up to a stack of 20,000 frames. Each is an error, with [ErrBound] in its
// chain but for ctx's own. Bounds are looked at before each tag and before each string,
// list or call of a function is made; what lies between is bounded by the input's size.
// An error of raise_exception has the template's text.
func (t *Template) Render(ctx context.Context, in Input) (string, error) {
	return t.render(ctx, in, "")
}

// RenderSpans is Render, with the places of what the template's generation blocks made,
// in order: what the assistant is to learn. A template without them has none. Blocks
// within blocks are one span.
func (t *Template) RenderSpans(ctx context.Context, in Input) (string, []Span, error) {
	marker := "\x00" + rand.Text()
	out, err := t.render(ctx, in, marker)
	if err != nil {
		return "", nil, err
	}
	text, spans, err := generated(out, marker)
	if err != nil {
		return "", nil, fmt.Errorf("chat template: %w", err)
	}
	return text, spans, nil
}

func (t *Template) render(ctx context.Context, in Input, marker string) (out string, err error) {
	variables, size, err := in.values()
	if err != nil {
		return "", err
	}
	limit := maxBytes + perByte*size
	r := &run{
		ctx: ctx, deadline: time.Now().Add(t.time), now: in.Now, left: limit, limit: limit,
		namespaces: map[*jinja.Dict]bool{}, marker: marker,
	}
	for n, f := range r.globals() {
		variables[n] = f
	}
	defer recovered(&err)
	out, err = t.compiled.RenderValues(variables)
	if err == nil {
		err = r.tick()
	}
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return out, nil
}

// given are the names of what every template is given.
var given = []string{
	"messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token",
	"raise_exception", "strftime_now", "range", "namespace", "dict",
}

// values are the variables of a template, and their size in bytes.
func (in Input) values() (variables map[string]value, size int, err error) {
	messages := make([]value, len(in.Messages))
	for i, m := range in.Messages {
		if messages[i], err = m.value(); err != nil {
			return nil, 0, fmt.Errorf("message %d: %w", i, err)
		}
		size += len(m.Content) + len(m.Reasoning)
		for _, c := range m.ToolCalls {
			size += len(c.Arguments)
		}
	}
	tools := jinja.None()
	if len(in.Tools) > 0 {
		list := make([]value, len(in.Tools))
		for i, raw := range in.Tools {
			if list[i], err = parseJSON(raw); err == nil && !list[i].IsDict() {
				err = fmt.Errorf("want an object, got %s", kindOf(list[i]))
			}
			if err != nil {
				return nil, 0, fmt.Errorf("tool %d: %w", i, err)
			}
			size += len(raw)
		}
		tools = jinja.NewList(list)
	}
	variables = map[string]value{
		"messages": jinja.NewList(messages), "tools": tools, "documents": jinja.None(),
		"add_generation_prompt": jinja.NewBool(in.AddGenerationPrompt),
	}
	for n, token := range map[string]string{"bos_token": in.BOS, "eos_token": in.EOS} {
		if token != "" {
			variables[n] = jinja.NewString(token)
		}
	}
	for n, v := range in.Variables {
		if slices.Contains(given, n) || !isName(n) {
			return nil, 0, fmt.Errorf("the variable %q of a chat template cannot be given", n)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, 0, fmt.Errorf("variable %s: %w", n, err)
		}
		if variables[n], err = parseJSON(raw); err != nil {
			return nil, 0, fmt.Errorf("variable %s: %w", n, err)
		}
		size += len(raw)
	}
	return variables, size, nil
}
