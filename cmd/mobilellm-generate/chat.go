package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"mobilellm/infer"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer/chat"
)

const chatHelp = "/reset begins anew, /exit or Ctrl-D ends, Ctrl-C stops an answer"

// conversation is a chat in the terminal.
type conversation struct {
	m        *infer.Model
	s        *infer.Scheduler
	f        *flags
	template *chat.Template
	messages []chat.Message
	w, notes io.Writer
}

// chatTemplate is the model's, or that of --chat-template: a file or a name.
func (f *flags) chatTemplate(m *infer.Model) (*chat.Template, error) {
	if f.template == "" {
		return chat.For(m.Tokenizer, false)
	}
	source, err := chat.SourceOf(f.template)
	if err != nil {
		return nil, err
	}
	return chat.Parse(source)
}

// chat reads what the user says from in, a line each, and answers.
func (f *flags) chat(ctx context.Context, in io.Reader, w, notes io.Writer, m *infer.Model, s *infer.Scheduler) error {
	template, err := f.chatTemplate(m)
	if err != nil {
		return fmt.Errorf("--chat: %w", err)
	}
	c := &conversation{m: m, s: s, f: f, template: template, w: w, notes: notes}
	c.reset()
	file, ok := in.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	if terminal {
		fmt.Fprintln(notes, chatHelp)
	}
	// Ctrl-C stops the answer that is being given.
	var answering atomic.Pointer[context.CancelFunc]
	defer cli.OnInterrupt(ctx, func() {
		if stop := answering.Load(); stop != nil {
			(*stop)()
		} else {
			fmt.Fprintln(notes, "\n"+chatHelp)
		}
	})()
	lines := bufio.NewReader(in)
	for {
		if terminal {
			fmt.Fprint(notes, "> ")
		}
		var line string
		err := cli.Abandon(ctx, func() (err error) {
			line, err = lines.ReadString('\n')
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch line = strings.TrimSpace(line); {
		case line == "/exit":
			return nil
		case line == "/reset":
			c.reset()
		case strings.HasPrefix(line, "/"):
			fmt.Fprintln(notes, chatHelp)
		case line != "":
			answer, stop := context.WithCancel(ctx)
			answering.Store(&stop)
			failed := c.answer(answer, line)
			answering.Store(nil)
			stop()
			if failed != nil {
				return failed
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	}
}

func (c *conversation) reset() {
	c.messages = nil
	if c.f.system != "" {
		c.messages = []chat.Message{{Role: "system", Content: c.f.system}}
	}
}

// answer says something to the model and prints what it answers. What was stopped stays
// as far as it came.
func (c *conversation) answer(ctx context.Context, said string) error {
	c.messages = append(c.messages, chat.Message{Role: "user", Content: said})
	ids, err := c.prompt(ctx)
	if err != nil {
		return err
	}
	t := &text{ids: ids, o: c.f.options}
	t.o.Slide = false
	start := time.Now()
	err = t.complete(ctx, c.m, c.s, c.f.stops, c.w)
	c.f.options.Seed++
	c.messages = append(c.messages, chat.Message{Role: "assistant", Content: t.text.String()})
	if c.f.timings {
		fmt.Fprintf(c.notes, "%d tokens, %.1f tokens/s\n", t.usage.Drawn, float64(t.usage.Drawn)/time.Since(start).Seconds())
	}
	if errors.Is(err, context.Canceled) {
		return nil // the answer was stopped; if it was the program, the caller sees it
	}
	return err
}

// prompt is the conversation as the model reads it. Where it leaves less than a quarter
// of the context to the answer, its oldest turns are forgotten.
func (c *conversation) prompt(ctx context.Context) ([]int32, error) {
	for {
		in := chat.Input{Messages: c.messages, AddGenerationPrompt: true}
		in.BOS, in.EOS = c.m.Tokenizer.TemplateTokens()
		rendered, err := c.template.Render(ctx, in)
		if err != nil {
			return nil, err
		}
		ids := c.m.Tokenizer.Encode([]byte(rendered))
		first := 0
		if len(c.messages) > 0 && c.messages[0].Role == "system" {
			first = 1
		}
		switch {
		case len(ids) == 0:
			return nil, errors.New("the chat template makes no text of the conversation")
		case len(ids) <= c.m.Context()*3/4:
			return ids, nil
		case len(c.messages) >= first+3:
			c.messages = append(c.messages[:first:first], c.messages[first+2:]...)
			fmt.Fprintln(c.notes, "note: the oldest turn is forgotten, as the context is full")
		case len(ids) < c.m.Context():
			return ids, nil
		default:
			return nil, fmt.Errorf("what was said has %d tokens, the context %d", len(ids), c.m.Context())
		}
	}
}
