package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mobilellm/data/topk"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

// teachFlags are the command line of teach.
type teachFlags struct {
	options train.TeachOptions
	json    bool
}

const teachDescription = `Store a teacher's top-k next tokens and their log-probabilities for every
position of token shards, which mobilellm-train reads in distil.shards instead of
running the teacher.

The text is cut into windows of --seq tokens from its first on, which are the
samples of a run's first epoch with data.seq as long. Started again after an
interruption, the work goes on and ends with the same bytes.`

func newTeach() *cobra.Command {
	var f teachFlags
	c := &cobra.Command{
		Use:   "teach --teacher DIR --shards DIR --out DIR",
		Short: "Store a teacher's log-probabilities beside token shards",
		Long:  teachDescription,
		Args:  cli.NoArguments("token shards are named by --shards"),
		RunE:  func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	l := c.Flags()
	l.SortFlags = false
	l.StringVar(&f.options.Teacher, "teacher", "", "LLaMA model with the shards' tokenizer: a Hugging Face folder, a GGUF file, a run's folder or a checkpoint")
	l.StringVar(&f.options.Shards, "shards", "", "token shards: the folder that data.train names, or one shard")
	l.StringVar(&f.options.Out, "out", "", "folder of the result")
	l.IntVar(&f.options.K, "k", 32, "log-probabilities of a position")
	l.IntVar(&f.options.Seq, "seq", 2048, "tokens in a window: data.seq of the run that is to learn")
	l.IntVar(&f.options.Rows, "rows", 0, "windows that pass the teacher at once (about 4096 tokens)")
	l.StringVar(&f.options.Device, "device", "auto", "where to compute: auto, cpu or cuda")
	l.IntVar(&f.options.Workers, "workers", 0, "processors that compute (all)")
	l.BoolVar(&f.json, "json", false, "print the result as JSON")
	return c
}

func (f *teachFlags) run(c *cobra.Command) error {
	o := f.options
	for _, flag := range []struct{ name, value, what string }{
		{"--teacher", o.Teacher, "a model"}, {"--shards", o.Shards, "a folder of token shards"}, {"--out", o.Out, "a folder for the result"},
	} {
		if flag.value == "" {
			return cli.Usagef("%s is missing\nhint: name %s", flag.name, flag.what)
		}
	}
	for _, flag := range []struct {
		name         string
		value, least int
	}{{"--k", o.K, 1}, {"--seq", o.Seq, 1}, {"--rows", o.Rows, 0}} {
		if flag.value < flag.least {
			return cli.Usagef("%s (%d) must be at least %d", flag.name, flag.value, flag.least)
		}
	}
	bar := cli.NewProgress("teach")
	o.Progress = func(done, total int64) { bar.To(done, total, fmt.Sprintf("%d of %d tokens", done, total)) }
	o.Notes = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	taught, err := train.Teach(c.Context(), o)
	bar.End()
	if err != nil {
		return err
	}
	if f.json {
		return cli.PrintJSON(c.OutOrStdout(), taught)
	}
	return printTaught(c.OutOrStdout(), o.Out, taught)
}

func printTaught(w io.Writer, dir string, t *train.Taught) error {
	fmt.Fprintf(w, "positions  %d in windows of %d\n", t.Tokens, t.Seq)
	fmt.Fprintf(w, "stored     %d log-probabilities of each, which hold %.2f %% of the probability on average\n", t.K, 100*t.Share)
	fmt.Fprintf(w, "file       %s, %d bytes\n", filepath.Join(dir, topk.Name), t.Bytes)
	_, err := fmt.Fprintf(w, "next: mobilellm-train --set distil.shards=%s\n", dir)
	return err
}
