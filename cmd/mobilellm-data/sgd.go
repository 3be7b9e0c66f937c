package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mobilellm/data/sgd"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
)

const sgdDescription = `Make conversations of the Schema-Guided Dialogue data: what the paper's Table 6
stands for, as its own data were not published.

FOLDER has train, dev and test with schema.json and dialogues_001.json, …, packed or
not. The result is train.jsonl, dev.jsonl and test.jsonl: OpenAI's messages, in which
the assistant answers with PARSER's call, where one is due, and AGENT's reply, each an
object on a line. A system message has the APIs.

test.jsonl has the dialogues of test, of services that training has not seen, and
every --hold-out-th of train, of services that it has.`

// sgdFlags are the command line of sgd.
type sgdFlags struct {
	out     string
	holdOut int
	json    bool
}

func newSGD() *cobra.Command {
	var f sgdFlags
	c := &cobra.Command{
		Use:   "sgd FOLDER --out DIR",
		Short: "Make conversations with API calls of the Schema-Guided Dialogue data",
		Long:  sgdDescription,
		Args:  cli.SomeArguments("a folder of SGD"),
		RunE:  func(c *cobra.Command, args []string) error { return f.run(c.OutOrStdout(), args) },
	}
	c.Flags().StringVar(&f.out, "out", "", "folder of the result")
	c.Flags().IntVar(&f.holdOut, "hold-out", 8, "every so many-th dialogue of train is held out; 0 for none")
	c.Flags().BoolVar(&f.json, "json", false, "print the result as JSON")
	return c
}

// sgdPart is what a file of the result has.
type sgdPart struct {
	File      string `json:"file"`
	Dialogues int    `json:"dialogues"`
	Turns     int    `json:"turns"` // of the assistant
	Calls     int    `json:"calls"`
	Unseen    int    `json:"calls_of_unseen_services"`
}

func (f *sgdFlags) run(w io.Writer, args []string) error {
	switch {
	case len(args) != 1:
		return cli.Usagef("%d folders are named, want one", len(args))
	case f.out == "":
		return cli.Usagef("--out is missing\nhint: name a folder for the result")
	case f.holdOut < 0:
		return cli.Usagef("--hold-out (%d) must not be negative", f.holdOut)
	}
	list, err := sgd.Read(args[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return err
	}
	train, dev, test := sgd.Divide(list, f.holdOut)
	var parts []sgdPart
	for i, list := range [][]sgd.Conversation{train, dev, test} {
		p, err := writeSGD(filepath.Join(f.out, sgd.Splits[i]+".jsonl"), list)
		if err != nil {
			return err
		}
		parts = append(parts, p)
	}
	if f.json {
		return cli.PrintJSON(w, parts)
	}
	for _, p := range parts {
		fmt.Fprintf(w, "%s: %d dialogues, %d answers, %d calls, %d of services that training has not seen\n", p.File, p.Dialogues, p.Turns, p.Calls, p.Unseen)
	}
	return nil
}

// writeSGD writes conversations, one a line.
func writeSGD(path string, list []sgd.Conversation) (sgdPart, error) {
	p := sgdPart{File: path, Dialogues: len(list)}
	for _, c := range list {
		for _, m := range c.Messages {
			if m.Role == "assistant" {
				p.Turns++
			}
			if m.API != "" {
				p.Calls++
				if !c.Seen {
					p.Unseen++
				}
			}
		}
	}
	return p, atomicfile.WriteFunc(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		for _, c := range list {
			if err := e.Encode(c); err != nil {
				return err
			}
		}
		return nil
	})
}
