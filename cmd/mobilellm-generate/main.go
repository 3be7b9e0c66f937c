// Command mobilellm-generate continues a text with a trained model. Run it with
// --help.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mobilellm/device"
	"mobilellm/engine"
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
	model, prompt             string
	device, precision, kvType string
	parseSpecial, noSlide     bool
	stops                     []string
	options                   infer.Options
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
	l.Float64Var(&f.options.MinP, "min-p", 0, "draw only from tokens of at least this share of the likeliest's probability; 0 for all")
	l.Float64Var(&f.options.RepeatPenalty, "repeat-penalty", 1, "divides the logits of tokens that occurred of late; 1 changes nothing")
	l.IntVar(&f.options.RepeatLast, "repeat-last", 64, "how many tokens count as of late")
	l.StringArrayVar(&f.stops, "stop", nil, "end before this text; may be given several times")
	l.BoolVar(&f.noSlide, "no-slide", false, "end at the model's context; otherwise the oldest half of the text is forgotten there")
	l.StringVar(&f.precision, "precision", "float32", "type of the weights: float32, or bf16, which is about twice as fast")
	l.StringVar(&f.kvType, "kv-type", "float32", "type of the KV cache: float32 or bf16")
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
	load, err := f.load()
	if err != nil {
		return cli.Usage(err)
	}
	dev, err := device.Open(f.device, 0, nil)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	defer dev.Close()
	m, err := infer.Load(f.model, dev, load)
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
	f.options.Slide = !f.noSlide
	return errors.Join(f.print(ctx, w, m, prompt), m.Close())
}

// load reads the types of weights and cache.
func (f *flags) load() (o infer.LoadOptions, err error) {
	if o.Precision, err = engine.ParsePrecision(f.precision); err != nil {
		return o, fmt.Errorf("--precision: %w", err)
	}
	cache, err := engine.ParsePrecision(f.kvType)
	if err != nil {
		return o, fmt.Errorf("--kv-type: %w", err)
	}
	if cache == engine.PrecisionBF16 {
		o.CacheType = engine.BF16
	}
	return o, nil
}

// print writes the text as it comes.
func (f *flags) print(ctx context.Context, w io.Writer, m *infer.Model, prompt []int32) error {
	s := infer.NewScheduler(m, 0)
	defer s.Close()
	text := infer.NewText(m.Tokenizer, f.stops, prompt...)
	var written error
	write := func(text string) bool {
		if text != "" && written == nil {
			_, written = io.WriteString(w, text)
		}
		return written == nil
	}
	_, err := s.Complete(ctx, infer.Request{Prompt: prompt, Options: f.options}, func(t infer.Token) bool {
		text, more := text.Add(t.ID)
		return write(text) && more && ctx.Err() == nil
	})
	write(text.End() + "\n")
	if err == nil {
		err = ctx.Err()
	}
	return cmp.Or(err, written)
}
