package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/data/ingest"
	"mobilellm/data/prepare"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
)

func newTokenizer() *cobra.Command {
	c := &cobra.Command{Use: "tokenizer", Short: "Learn tokenizers"}
	c.AddCommand(newTokenizerTrain())
	return c
}

func newTokenizerTrain() *cobra.Command {
	var o prepare.TrainOptions
	var out, kind string
	var asJSON bool
	c := &cobra.Command{
		Use:   "train --vocab N --out FILE.model INPUT...",
		Short: "Learn a BPE vocabulary and write a SentencePiece model",
		Long: `Learn a BPE vocabulary from text, with LLaMA's conventions (no normalisation, digits
alone, byte fallback), and write it as a SentencePiece model. Inputs are as of
tokenize. The same text and --vocab give the same bytes.`,
		Args: cli.SomeArguments("INPUT"),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return cli.Usagef("--out is missing\nhint: name the model's file, such as tok.model")
			}
			var err error
			if o.Kind, err = oneOf("--format", kind, ingest.Auto, ingest.Text, ingest.JSONL, ingest.JSON, ingest.Parquet); err != nil {
				return err
			}
			o.Inputs, o.LeaveOut = args, out
			begun := time.Now()
			var bar *cli.Progress
			at := ""
			o.Progress = func(stage string, done, total int64) {
				if stage != at {
					bar.End()
					at, bar = stage, cli.NewProgress("tokenizer: "+stage)
				}
				bar.To(done, total, fmt.Sprintf("%d of %d", done, total))
			}
			model, report, err := prepare.TrainTokenizer(c.Context(), o)
			bar.End()
			if err != nil {
				return err
			}
			if err := atomicfile.Write(out, model.File()); err != nil {
				return err
			}
			if report.Vocab < report.Asked {
				fmt.Fprintf(os.Stderr, "mobilellm-data: the text gives %d pieces, not the %d asked for\n", report.Vocab, report.Asked)
			}
			if report.Skipped > 0 {
				fmt.Fprintf(os.Stderr, "mobilellm-data: %d documents cannot be read and were left out\n", report.Skipped)
			}
			tok, err := tokenizer.FromModel(model)
			if err != nil {
				return err
			}
			print := tok.Fingerprint()
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), map[string]any{
					"file": out, "vocab": report.Vocab, "characters": report.Characters, "words": report.Words,
					"documents": report.Documents, "text_bytes": report.TextBytes, "skipped": report.Skipped, "tokenizer": print,
				})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d pieces, %d of them characters, from %d bytes in %d documents (%d different words) in %.1f s, fingerprint %s\n",
				out, report.Vocab, report.Characters, report.TextBytes, report.Documents, report.Words, time.Since(begun).Seconds(), print)
			return err
		},
	}
	l := c.Flags()
	l.IntVar(&o.Vocab, "vocab", 8192, "pieces to learn, the 259 fixed ones included")
	l.StringVar(&out, "out", "", "file to write, such as tok.model")
	l.StringVar(&kind, "format", "auto", "of all inputs: auto (by name), text, jsonl, json or parquet")
	l.StringVar(&o.Field, "field", "text", "field of a JSON object that holds the text, dots go down")
	l.StringVar(&o.Column, "column", "text", "column of a parquet file that holds the text")
	l.StringVar(&o.Separator, "document-separator", "", "text between the documents of a file or JSON text, which no piece is learnt from")
	l.IntVar(&o.Workers, "workers", 0, "processors that count (all)")
	l.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}
