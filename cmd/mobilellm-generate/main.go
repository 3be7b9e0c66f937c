// Command mobilellm-generate continues a text with a trained model. Run it with
// --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mobilellm/device"
	"mobilellm/infer"
	"mobilellm/internal/cli"
)

const description = `Continue a text with a trained model, on standard output.

--model takes a run's folder, of which it uses the best checkpoint or else the
latest, a checkpoint, a Hugging Face folder or a GGUF file.

Exit codes:
    0  done
    1  error
    2  mistake on the command line
  130  interrupted by Ctrl-C
  143  interrupted by SIGTERM`

func main() { cli.Main(newCommand(), cli.Options{Graceful: true}) }

type flags struct {
	model, prompt string
	device        string
	parseSpecial  bool
	options       infer.Options
}

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:     "mobilellm-generate --model PATH --prompt TEXT",
		Short:   "Continue a text with a trained model",
		Long:    description,
		Example: `  mobilellm-generate --model runs/quickstart-1 --prompt "func " --max-tokens 100 --temperature 0.8`,
		Args:    cli.NoArguments("quote a prompt of several words: --prompt \"…\""),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.generate(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	l := c.Flags()
	l.StringVar(&f.model, "model", "", "a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	l.StringVar(&f.device, "device", device.Auto, "where to compute: cpu, cuda, or auto, which takes an NVIDIA GPU where there is one")
	l.StringVar(&f.prompt, "prompt", "", "the text to continue; without one a document begins")
	l.BoolVar(&f.parseSpecial, "parse-special", false, "make tokens of texts of special tokens in the prompt, such as <|im_start|>; otherwise they are text")
	l.IntVar(&f.options.MaxTokens, "max-tokens", 128, "tokens to add at most")
	l.Float64Var(&f.options.Temperature, "temperature", 0.8, "how even the draw is; 0 always takes the likeliest token")
	l.IntVar(&f.options.TopK, "top-k", 0, "draw from this many of the likeliest tokens only; 0 for all")
	l.Float64Var(&f.options.TopP, "top-p", 0, "draw from the likeliest tokens of this total probability only; 0 for all")
	l.Uint64Var(&f.options.Seed, "seed", 1, "the same seed gives the same text")
	return c
}

// generate prints the continuation, ended by a line feed; the prompt is not
// repeated. Remarks go to notes.
func (f *flags) generate(ctx context.Context, w, notes io.Writer) error {
	if f.model == "" {
		return cli.Usagef("--model is missing: name a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	}
	if err := f.options.Validate(); err != nil {
		return cli.Usagef("--%w", err)
	}
	dev, err := device.Open(f.device, 0, nil)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	defer dev.Close()
	m, err := infer.Load(f.model, dev)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if note := m.Note(); note != "" {
		fmt.Fprintln(notes, "note:", note)
	}
	prompt := m.Tokenizer.Prompt(f.prompt)
	if f.parseSpecial {
		prompt = append(m.Tokenizer.Opening(), m.Tokenizer.Encode([]byte(f.prompt))...)
	}
	if len(prompt) == 0 {
		return errors.Join(cli.Usagef("--prompt is empty, and the tokenizer has no token to begin with"), m.Close())
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
