// Command mobilellm-generate continues a text with a trained model. Run it with
// --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"mobilellm/engine/cpu"
	"mobilellm/infer"
)

const description = `Continue a text with a trained model, on standard output.

--model takes a run's folder, of which it uses the best checkpoint or else the
latest, or a model folder.

Exit codes:
    0  done
    1  error
    2  mistake on the command line
  130  interrupted`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newCommand().ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "mobilellm-generate:", err)
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

type flags struct {
	model, prompt string
	options       infer.Options
}

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:           "mobilellm-generate --model DIR --prompt TEXT",
		Short:         "Continue a text with a trained model",
		Long:          description,
		Example:       `  mobilellm-generate --model runs/quickstart-1 --prompt "func " --max-tokens 100 --temperature 0.8`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unexpected argument %q\nhint: quote a prompt of several words: --prompt \"…\"", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return f.generate(c.Context(), c.OutOrStdout()) },
	}
	c.SetVersionTemplate("mobilellm-generate {{.Version}}\n")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	c.CompletionOptions.DisableDefaultCmd = true
	l := c.Flags()
	l.SortFlags = false
	l.StringVar(&f.model, "model", "", "a run's folder or a model folder")
	l.StringVar(&f.prompt, "prompt", "", "the text to continue; without one a document begins")
	l.IntVar(&f.options.MaxTokens, "max-tokens", 128, "tokens to add at most")
	l.Float64Var(&f.options.Temperature, "temperature", 0.8, "how even the draw is; 0 always takes the likeliest token")
	l.IntVar(&f.options.TopK, "top-k", 0, "draw from this many of the likeliest tokens only; 0 for all")
	l.Float64Var(&f.options.TopP, "top-p", 0, "draw from the likeliest tokens of this total probability only; 0 for all")
	l.Uint64Var(&f.options.Seed, "seed", 1, "the same seed gives the same text")
	return c
}

// generate prints the continuation, ended by a line feed; the prompt is not
// repeated.
func (f *flags) generate(ctx context.Context, w io.Writer) error {
	if f.model == "" {
		return &usageError{errors.New("--model is missing: name a run's folder or a model folder")}
	}
	if err := f.options.Validate(); err != nil {
		return &usageError{fmt.Errorf("--%w", err)}
	}
	dir, err := infer.Find(f.model)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	dev := cpu.New(cpu.Options{})
	defer dev.Close()
	m, err := infer.Load(dir, dev)
	if err != nil {
		return err
	}
	prompt := m.Prompt(f.prompt)
	if len(prompt) == 0 {
		return errors.Join(&usageError{errors.New("--prompt is empty, and the tokenizer has no token to begin with")}, m.Close())
	}
	s := infer.NewStream(w, m.Tokenizer, prompt...)
	err = m.Generate(ctx, prompt, f.options, s.Token)
	if closing := s.Close(); err == nil {
		err = closing
	}
	if _, end := fmt.Fprintln(w); err == nil {
		err = end
	}
	return errors.Join(err, m.Close())
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit := "unknown commit"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return fmt.Sprintf("%s (%s, %s)", info.Main.Version, commit, info.GoVersion)
}
