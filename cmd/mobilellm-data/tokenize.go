package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/data/prepare"
	"mobilellm/data/shard"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
)

// tokenizeFlags are the command line of tokenize.
type tokenizeFlags struct {
	options   prepare.Options
	tokenizer string
	kind      string
	split     string
	separator string
	start     string
	bos       bool // as --document-start bos was said at first
	tasksDir  string

	json bool
}

// tasksVariable of the environment names the folder of benchmarks.
const tasksVariable = "MOBILELLM_TASKS"

const tokenizeDescription = `Encode text into token shards, a folder that mobilellm-train takes as data.

Inputs are files, folders, globs and - for standard input: plain text, .jsonl, .json
and .parquet, also packed as .gz, .bz2 or .zst; the documents are those that
mobilellm-train takes. Started again after an interruption, the work goes on and ends
with the same bytes, but of standard input it begins anew, in another folder. A
document that cannot be read (broken JSON, no such field, null, no string, empty) is
counted and listed in skipped.jsonl. --out may lie in an input folder and is no input.

A line, a JSON value or a row has at most 256 MiB, and a file may unpack to 1 GiB or
200 times its size.`

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
	l.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, a run's folder, a GGUF file, or bytes")
	l.StringVar(&f.options.Out, "out", "", "folder of the shards")
	l.StringVar(&f.kind, "format", "auto", "of all inputs: auto (by name), text, jsonl, json or parquet")
	l.StringVar(&f.options.Field, "field", "", `field of a JSON object that holds the text, dots go down (text; with --token-ids token_ids)`)
	l.StringVar(&f.options.Column, "column", "text", "column of a parquet file that holds the text")
	l.BoolVar(&f.options.TokenIDs, "token-ids", false, "JSON lines hold lists of ids, as the official code's")
	l.StringVar(&f.split, "split", "file", "a plain text's documents: file, line or paragraph")
	l.StringVar(&f.options.Separator, "document-separator", "", "text between the documents of a file or JSON text, such as '<|endoftext|>'; line breaks beside it go with it")
	l.StringVar(&f.separator, "separator", "eos", "token behind each document: eos, none, or a token such as </s>")
	l.StringVar(&f.start, "document-start", string(data.StartAuto), "what opens each document: bos, eos (the separator), or auto, which takes BOS where the tokenizer has one of its own")
	l.BoolVar(&f.bos, "bos", false, "BOS before each document")
	if err := l.MarkDeprecated("bos", "say --document-start bos"); err != nil {
		panic("mobilellm-data: " + err.Error())
	}
	l.BoolVar(&f.options.ParseSpecial, "parse-special", false, "make tokens of texts of special tokens, such as <|endoftext|>; otherwise they are text")
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
	if o.Kind, err = oneOf("--format", f.kind, ingest.Auto, ingest.Text, ingest.JSONL, ingest.JSON, ingest.Parquet); err != nil {
		return err
	}
	if o.Split, err = oneOf("--split", f.split, ingest.ByFile, ingest.ByLine, ingest.ByParagraph); err != nil {
		return err
	}
	if !o.Dedup {
		o.NearDedup = 0
	}
	if tok, err = f.separate(tok, &o); err != nil {
		return err
	}
	o.Inputs, o.Stdin, o.Tokenizer = inputs, c.InOrStdin(), tok
	bar := cli.NewProgress("tokenize")
	o.Progress = func(p prepare.Progress) {
		bar.To(p.Bytes, p.TotalBytes, fmt.Sprintf("%d documents", p.Documents), fmt.Sprintf("%d tokens", p.Tokens), fmt.Sprintf("%d left out", p.Skipped))
	}
	manifest, err := prepare.Tokenize(c.Context(), o)
	bar.End()
	if err != nil {
		return err
	}
	if f.json {
		return cli.PrintJSON(c.OutOrStdout(), manifest)
	}
	return printManifest(c.OutOrStdout(), o.Out, manifest)
}

// separate chooses what stands before and behind each document, and returns the
// tokenizer whose files say what opens one.
func (f *tokenizeFlags) separate(tok *tokenizer.Tokenizer, o *prepare.Options) (*tokenizer.Tokenizer, error) {
	if f.bos {
		f.start = string(data.StartBOS)
	}
	start, err := oneOf("--document-start", f.start, data.StartAuto, data.StartBOS, data.StartEOS)
	if err != nil {
		return nil, err
	}
	o.BOS, o.EOS = shard.None, shard.None
	if f.separator != "none" {
		if o.EOS, err = specialID(tok, f.separator); err != nil {
			return nil, err
		}
	}
	s := tok.Special()
	opener := o.EOS
	switch {
	case start == data.StartBOS && s.BOS == tokenizer.None:
		return nil, fmt.Errorf("--document-start bos: the tokenizer has no BOS")
	case start == data.StartEOS && o.EOS == shard.None:
		return nil, fmt.Errorf("--document-start eos: with --separator none there is nothing between documents")
	case start == data.StartBOS, start == data.StartAuto && s.OwnBOS():
		opener = s.BOS
	}
	if opener != o.EOS {
		o.BOS = opener
	}
	return tok.StartingWith(opener)
}

func printManifest(w io.Writer, dir string, m *prepare.Manifest) error {
	r := m.Report
	fmt.Fprintf(w, "documents  %d\n", r.Documents)
	fmt.Fprintf(w, "tokens     %d in %d shards of %s\n", r.Tokens, len(m.Shards), dir)
	fmt.Fprintf(w, "text       %d bytes, %.3f tokens a byte\n", r.TextBytes, float64(r.Tokens)/float64(max(r.TextBytes, 1)))
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(w, "left out   %d %s, listed in %s\n", r.Skipped[reason], reason, ingest.SkippedName)
	}
	if r.BrokenUTF8 > 0 {
		fmt.Fprintf(w, "note       %d documents hold bytes that are not UTF-8 and are encoded as they are\n", r.BrokenUTF8)
	}
	if r.EndOfTexts > 0 {
		fmt.Fprintf(w, "note       the text holds %s %d times; --document-separator '%s' makes documents of what lies between\n", tokenizer.EndOfText, r.EndOfTexts, tokenizer.EndOfText)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Contaminated)) {
		fmt.Fprintf(w, "shared     %d documents with %s\n", r.Contaminated[name], name)
	}
	return nil
}

func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	switch path {
	case "":
		return nil, cli.Usagef("--tokenizer is missing\nhint: name a tokenizer.model, a tokenizer.json, a folder with one, a run's folder, a GGUF file, or bytes")
	case data.TokenizerBytes:
		return tokenizer.Bytes(), nil
	}
	return checkpoint.OpenTokenizer(path)
}

// specialID finds the id of eos or of a token's text.
func specialID(tok *tokenizer.Tokenizer, name string) (int32, error) {
	if name == "eos" {
		if id, ok := tok.Special().End(); ok {
			return id, nil
		}
		return 0, fmt.Errorf("the tokenizer has no EOS\nhint: name a token with --separator, or none")
	}
	if id, ok := tok.ID(name); ok {
		return id, nil
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
