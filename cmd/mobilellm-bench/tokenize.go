package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
)

// encoding is what tokenize measured, seconds of one processor.
type encoding struct {
	Tokenizer string    `json:"tokenizer"`
	Text      string    `json:"text"`
	Bytes     int       `json:"bytes"` // line feeds included
	Lines     int       `json:"lines"`
	Tokens    int       `json:"tokens"`
	Load      float64   `json:"load_s"`
	First     float64   `json:"first_s"` // nothing is remembered of earlier words
	Repeats   []float64 `json:"repeats_s"`
	Median    float64   `json:"median_s"`
}

func tokenizeCommand() *cobra.Command {
	var path, text string
	var repeats int
	var asJSON bool
	c := &cobra.Command{
		Use:   "tokenize --tokenizer FILE --text FILE",
		Short: "Measure how fast a tokenizer encodes, on one processor",
		Long: `Measure how fast a tokenizer encodes the lines of a text on one processor: the
loading of the tokenizer, the first pass, and the median of more passes, in which
words that came before are remembered.`,
		Example: "  mobilellm-bench tokenize --tokenizer tok.model --text corpus.txt --json",
		Args:    cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case path == "":
				return cli.Usagef("--tokenizer is missing")
			case text == "":
				return cli.Usagef("--text is missing")
			case repeats < 1:
				return cli.Usagef("--repeats (%d) must be positive", repeats)
			}
			e, err := measureEncoding(path, text, repeats)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), e)
			}
			return e.print(c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&path, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, a run's folder, a GGUF file, or bytes")
	f.StringVar(&text, "text", "", "text whose lines are encoded")
	f.IntVar(&repeats, "repeats", 5, "passes to measure after the first")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func measureEncoding(path, text string, repeats int) (*encoding, error) {
	raw, err := os.ReadFile(text)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("%s is empty", text)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := &encoding{Tokenizer: path, Text: text, Bytes: len(raw)}
	begun := time.Now()
	tok := tokenizer.Bytes()
	if path != data.TokenizerBytes {
		if tok, err = checkpoint.OpenTokenizer(path); err != nil {
			return nil, err
		}
	}
	e.Load = time.Since(begun).Seconds()
	lines := bytes.Split(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n"))
	e.Lines = len(lines)
	for pass := range repeats + 1 {
		runtime.GC() // what a pass leaves is not the next one's to collect
		begun := time.Now()
		tokens := 0
		for _, line := range lines {
			tokens += len(tok.Encode(line))
		}
		took := time.Since(begun).Seconds()
		if pass == 0 {
			e.First, e.Tokens = took, tokens
			continue
		}
		if tokens != e.Tokens {
			return nil, errors.New("two passes gave different ids")
		}
		e.Repeats = append(e.Repeats, took)
	}
	sorted := slices.Sorted(slices.Values(e.Repeats))
	e.Median = (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	return e, nil
}

func (e *encoding) print(w io.Writer) error {
	speed := func(seconds float64) float64 { return float64(e.Bytes) / 1e6 / max(seconds, 1e-9) }
	_, err := fmt.Fprintf(w, `tokenizer    %s, loaded in %.0f ms
text         %s: %d lines, %d bytes, %d tokens
first pass   %.1f MB/s
median of %-2d %.1f MB/s, slowest %.1f, fastest %.1f
`, e.Tokenizer, 1e3*e.Load, e.Text, e.Lines, e.Bytes, e.Tokens, speed(e.First),
		len(e.Repeats), speed(e.Median), speed(slices.Max(e.Repeats)), speed(slices.Min(e.Repeats)))
	return err
}
