package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/data"
	"mobilellm/data/conversation"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
)

// chatFlags go with --chat only.
var chatFlags = []string{"kind", "chat-template", "add-token", "seq"}

func addChatFlags(c *cobra.Command, config *data.Config) {
	l := c.Flags()
	l.StringVar((*string)(&config.Kind), "kind", string(conversation.Chat), "with --chat: chat or prompt_completion (data.kind)")
	l.StringVar(&config.ChatTemplate, "chat-template", "", "with --chat: alpaca, chatml, llama-2, vicuna or a Jinja file (data.chat_template; the tokenizer's own)")
	l.StringArrayVar(&config.AddTokens, "add-token", nil, "with --chat: a special token that the tokenizer gets; may be repeated (data.add_tokens)")
	l.IntVar(&config.Seq, "seq", config.Seq, "with --chat: tokens of a sample (data.seq)")
}

// chatSummary is what inspect --chat shows.
type chatSummary struct {
	Conversations int              `json:"conversations"` // that are learned from
	Read          int              `json:"read"`
	Unreadable    int              `json:"unreadable"`
	Unlearned     int              `json:"unlearned"`
	Truncated     int              `json:"truncated"`
	Tokens        int64            `json:"tokens"`
	Supervised    int64            `json:"supervised"`
	Samples       []chatSampleView `json:"samples"`

	notes []string
}

type chatSampleView struct {
	Record     string `json:"record"`
	Tokens     int    `json:"tokens"`
	Supervised int    `json:"supervised"`
	Marked     string `json:"marked"` // the text, what is supervised between ⟦ and ⟧
}

func inspectChat(c *cobra.Command, config data.Config, name string, samples int, asJSON bool) error {
	if name == "" {
		return cli.Usagef("--tokenizer is missing\nhint: name the model that is to be tuned, a run, or a tokenizer's file")
	}
	if config.Kind == conversation.Text {
		return cli.Usagef("--kind text has nothing to inspect: all of it is learned")
	}
	tok, err := openTokenizer(name)
	if err != nil {
		return err
	}
	all, report, tok, err := data.ReadChats(c.Context(), config, tok)
	if err != nil {
		return err
	}
	s := chatSummary{
		Conversations: report.Kept, Read: report.Read, Unreadable: report.Bad, Unlearned: report.Unlearned, Truncated: report.Truncated,
		Tokens: report.Tokens, Supervised: report.Supervised, Samples: []chatSampleView{}, notes: report.Notes(),
	}
	for i := range min(samples, len(all)) {
		one := all[len(all)*i/samples]
		s.Samples = append(s.Samples, chatSampleView{one.Name, len(one.IDs), one.Supervised(), marked(tok, one.Sample)})
	}
	if asJSON {
		return cli.PrintJSON(c.OutOrStdout(), s)
	}
	return s.print(c.OutOrStdout())
}

// marked is the text of a sample's ids, what is supervised between ⟦ and ⟧.
func marked(tok *tokenizer.Tokenizer, s *conversation.Sample) string {
	var out strings.Builder
	at := 0
	write := func(to int) {
		for ; at < to; at++ {
			out.Write(tok.Token(s.IDs[at]))
		}
	}
	for _, r := range s.Learn {
		write(r.From)
		out.WriteString("⟦")
		write(r.To)
		out.WriteString("⟧")
	}
	write(len(s.IDs))
	return out.String()
}

func (s chatSummary) print(w io.Writer) error {
	for _, view := range s.Samples {
		fmt.Fprintf(w, "--- %s: %d tokens, %d of them supervised\n%s\n", view.Record, view.Tokens, view.Supervised, strings.TrimRight(view.Marked, "\n"))
	}
	for _, note := range s.notes {
		if _, err := fmt.Fprintln(w, strings.TrimPrefix(note, "data: ")); err != nil {
			return err
		}
	}
	return nil
}
