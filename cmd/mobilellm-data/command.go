package main

import (
	"encoding/json"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const description = `Turn text into training tokens.

Results go to standard output, progress and errors to standard error.

Exit codes:
    0  done; documents that were left out are counted and listed
    1  error
    2  mistake on the command line
  130  interrupted by Ctrl-C; tokenize goes on from there when started again
  143  interrupted by SIGTERM; the same`

const examples = `  mobilellm-data tokenizer train --vocab 8192 --out tok.model corpus/
  mobilellm-data tokenize --tokenizer tok.model --out tokens dump/*.parquet
  mobilellm-data inspect tokens
  mobilellm-train --data tokens --set data.tokenizer=tok.model`

func newCommand() *cobra.Command {
	c := &cobra.Command{
		Use:           "mobilellm-data",
		Short:         "Turn text into training tokens",
		Long:          description,
		Example:       examples,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.SetVersionTemplate("mobilellm-data {{.Version}}\n")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	c.CompletionOptions.DisableDefaultCmd = true
	c.AddCommand(newTokenize(), newEncode(), newDecode(), newInspect(), newVerify(), newTokenizer())
	return c
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q\nhint: see %s --help", args[0], c.CommandPath())
	}
	return nil
}

// someArgs asks for at least one argument.
func someArgs(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s is missing\nhint: see %s --help", what, c.CommandPath())
		}
		return nil
	}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// version is the module's version and the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " (" + s.Value + ")"
		}
	}
	return text
}
