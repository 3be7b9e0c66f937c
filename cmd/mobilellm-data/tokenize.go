package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/data/prepare"
	"mobilellm/data/shard"
	"mobilellm/internal/cli"
)

// tokenizeFlags are the command line of tokenize.
type tokenizeFlags struct {
	options   prepare.Options
	tokenizer string
	kind      string
	split     string
	separator string
	bos       bool
	tasksDir  string

	json bool
}

// tasksVariable of the environment names the folder of benchmarks.
const tasksVariable = "MOBILELLM_TASKS"

const tokenizeDescription = `Encode text into token shards, a folder that mobilellm-train takes as data.

Inputs are files, folders, globs and - for standard input: plain text, .jsonl and
.parquet, also packed as .gz, .bz2 or .zst. Started again after an interruption, the
work goes on and ends with the same bytes. A document that cannot be read (broken
UTF-8 or JSON, no such field, empty) is counted and listed in skipped.jsonl.`

func newTokenize() *cobra.Command {
	var f tokenizeFlags
	c := &cobra.Command{
		Use:   "tokenize --tokenizer FILE --out DIR INPUT...",
		Short: "Encode text into token shards",
		Long:  tokenizeDescription,
		Args:  cli.SomeArguments("INPUT"),
		RunE:  func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	l := c.Flags()
	l.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, or bytes")
	l.StringVar(&f.options.Out, "out", "", "folder of the shards")
	l.StringVar(&f.kind, "format", "auto", "of all inputs: auto (by name), text, jsonl or parquet")
	l.StringVar(&f.options.Field, "field", "", `field of a JSON line that holds the text, dots go down (text; with --token-ids token_ids)`)
	l.StringVar(&f.options.Column, "column", "text", "column of a parquet file that holds the text")
	l.BoolVar(&f.options.TokenIDs, "token-ids", false, "JSON lines hold lists of ids, as the official code's")
	l.StringVar(&f.split, "split", "file", "a plain text's documents: file, line or paragraph")
	l.StringVar(&f.separator, "separator", "eos", "token behind each document: eos, none, or a token such as </s>")
	l.BoolVar(&f.bos, "bos", false, "BOS before each document")
	l.Int64Var(&f.options.ShardTokens, "shard-tokens", prepare.DefaultShardTokens, "tokens after which a shard is ended")
	l.BoolVar(&f.options.Dedup, "dedup", false, "leave out documents that came before: exact and near copies")
	l.Float64Var(&f.options.NearDedup, "near", 0.8, "with --dedup: overlap of five-word runs that makes a near copy; 0 for exact copies only")
	l.StringArrayVar(&f.options.Decontaminate, "decontaminate", nil, "benchmark (arc_easy, …, all: folders of --tasks-dir; or a file, folder or glob): leave out documents that share 13 words in a row with it; may be repeated")
	l.StringVar(&f.tasksDir, "tasks-dir", os.Getenv(tasksVariable), "folder with a folder of splits for each benchmark ($"+tasksVariable+")")
	l.BoolVar(&f.options.SkipBadFiles, "skip-bad-files", false, "list a file that breaks off, such as a truncated .gz, and go on")
	l.IntVar(&f.options.Workers, "workers", 0, "processors that encode (all)")
	l.BoolVar(&f.json, "json", false, "print the result as JSON")
	return c
}

func (f *tokenizeFlags) run(c *cobra.Command, inputs []string) error {
	tok, err := openTokenizer(f.tokenizer)
	if err != nil {
		return err
	}
	o := f.options
	if o.Decontaminate, err = prepare.FindTasks(o.Decontaminate, f.tasksDir); err != nil {
		return err
	}
	if o.Out == "" {
		return cli.Usagef("--out is missing\nhint: name a folder for the shards")
	}
	if o.Kind, err = oneOf("--format", f.kind, ingest.Auto, ingest.Text, ingest.JSONL, ingest.Parquet); err != nil {
		return err
	}
	if o.Split, err = oneOf("--split", f.split, ingest.ByFile, ingest.ByLine, ingest.ByParagraph); err != nil {
		return err
	}
	if !o.Dedup {
		o.NearDedup = 0
	}
	o.BOS, o.EOS = shard.None, shard.None
	if f.bos {
		if o.BOS, err = specialID(tok, "bos"); err != nil {
			return err
		}
	}
	if f.separator != "none" {
		if o.EOS, err = specialID(tok, f.separator); err != nil {
			return err
		}
	}
	o.Inputs, o.Stdin, o.Tokenizer = inputs, c.InOrStdin(), tok
	bar := newProgress("tokenize")
	o.Progress = func(p prepare.Progress) {
		bar.to(p.Bytes, p.TotalBytes, fmt.Sprintf("%d documents, %d tokens, %d left out", p.Documents, p.Tokens, p.Skipped))
	}
	manifest, err := prepare.Tokenize(c.Context(), o)
	bar.end()
	if err != nil {
		return err
	}
	if f.json {
		return cli.PrintJSON(c.OutOrStdout(), manifest)
	}
	return printManifest(c.OutOrStdout(), o.Out, manifest)
}

func printManifest(w io.Writer, dir string, m *prepare.Manifest) error {
	r := m.Report
	fmt.Fprintf(w, "documents  %d\n", r.Documents)
	fmt.Fprintf(w, "tokens     %d in %d shards of %s\n", r.Tokens, len(m.Shards), dir)
	fmt.Fprintf(w, "text       %d bytes, %.3f tokens a byte\n", r.TextBytes, float64(r.Tokens)/float64(max(r.TextBytes, 1)))
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(w, "left out   %d %s, listed in %s\n", r.Skipped[reason], reason, prepare.SkippedName)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Contaminated)) {
		fmt.Fprintf(w, "shared     %d documents with %s\n", r.Contaminated[name], name)
	}
	return nil
}

func openTokenizer(path string) (data.Tokenizer, error) {
	switch path {
	case "":
		return nil, cli.Usagef("--tokenizer is missing\nhint: name a tokenizer.model, a tokenizer.json, a folder with one, or bytes")
	case data.TokenizerBytes:
		return data.Bytes(), nil
	}
	return data.LoadTokenizer(path)
}

// specialID finds the id of bos, eos or a token's text.
func specialID(tok data.Tokenizer, name string) (int32, error) {
	switch name {
	case "bos":
		if id, ok := tok.BOS(); ok {
			return id, nil
		}
		return 0, fmt.Errorf("the tokenizer has no BOS")
	case "eos":
		if id, ok := tok.EOS(); ok {
			return id, nil
		}
		return 0, fmt.Errorf("the tokenizer has no EOS\nhint: name a token with --separator, or none")
	}
	if p, ok := tok.(*data.Pieces); ok {
		if id, ok := p.Model().ID(name); ok {
			return id, nil
		}
	} else if ids := tok.Encode([]byte(name)); len(ids) == 1 {
		return ids[0], nil
	}
	return 0, fmt.Errorf("the tokenizer has no token %q", name)
}

// oneOf is the value among those allowed.
func oneOf[T ~string](flag, value string, allowed ...T) (T, error) {
	if slices.Contains(allowed, T(value)) {
		return T(value), nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return "", cli.Usagef("%s %q: want %s", flag, value, strings.Join(names, ", "))
}
