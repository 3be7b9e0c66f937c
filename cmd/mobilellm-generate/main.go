// Command mobilellm-generate continues a text with a trained model. Run it with
// --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/device"
	"mobilellm/infer"
	"mobilellm/infer/grammar"
	"mobilellm/internal/cli"
	"mobilellm/internal/regular"
	"mobilellm/tokenizer/chat"
)

const description = `Continue a text with a trained model, on standard output.

--model takes a run's folder, of which it uses the best checkpoint or else the
latest, a checkpoint, a Hugging Face folder or a GGUF file.

A text from a pipe is one prompt, without its last line feed. --prompt-file takes
many, which are continued at once, as are --samples of one.

Exit codes:
    0  done
    1  error
    2  mistake on the command line
  130  interrupted by Ctrl-C
  143  interrupted by SIGTERM`

func main() { cli.Main(newCommand(), cli.Options{Graceful: true}) }

type flags struct {
	model, adapter, prompt, promptFile   string
	device, precision, kvType, quantize  string
	system, template, schema             string
	parseSpecial, noSlide, json, timings bool
	chatting                             bool
	samples, parallel                    int
	topP                                 float64
	stops                                []string
	options                              infer.Options
	fits                                 *grammar.Program // of --json-schema
}

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:     "mobilellm-generate --model PATH --prompt TEXT",
		Short:   "Continue a text with a trained model",
		Long:    description,
		Example: `  mobilellm-generate --model runs/mine --prompt "func " --max-tokens 100`,
		Args:    cli.NoArguments("quote a prompt of several words: --prompt \"…\""),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.generate(c.Context(), c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	l := c.Flags()
	l.StringVar(&f.model, "model", "", "a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	l.StringVar(&f.adapter, "adapter", "", "a LoRA adapter to merge into the model's weights: PEFT's folder, or the run that trained it")
	l.StringVar(&f.device, "device", device.Auto, "where to compute: cpu, cuda, or auto, which takes an NVIDIA GPU where there is one")
	l.StringVar(&f.prompt, "prompt", "", "the text to continue; without one what is piped in, or else a document begins")
	l.StringVar(&f.promptFile, "prompt-file", "", "file of prompts, - for standard input: each line a text or an object with prompt; the results are objects, a line each")
	l.BoolVar(&f.chatting, "chat", false, "talk with the model, a line each time, by its chat template; "+chatHelp)
	l.StringVar(&f.system, "system", "", "system message of --chat")
	l.StringVar(&f.template, "chat-template", "", "chat template for --chat in place of the model's: a Jinja file, or "+strings.Join(chat.Names(), ", "))
	l.IntVar(&f.samples, "samples", 1, "continuations of each prompt, each with a seed of its own")
	l.IntVar(&f.parallel, "parallel", 16, "texts at once")
	l.BoolVar(&f.json, "json", false, "print an object for each text: prompt, text, finish_reason, tokens, log-probabilities")
	l.IntVar(&f.options.LogProbs, "logprobs", 0, "with each token the log-probabilities of so many of the likeliest, in objects")
	l.BoolVar(&f.timings, "timings", false, "say at the end how fast it was, on standard error")
	l.BoolVar(&f.parseSpecial, "parse-special", false, "make tokens of texts of special tokens in the prompt, such as <|im_start|>; otherwise they are text")
	l.IntVar(&f.options.MaxTokens, "max-tokens", 128, "tokens to add at most")
	l.Float64Var(&f.options.Temperature, "temperature", 0.8, "how even the draw is; 0 always takes the likeliest token")
	l.IntVar(&f.options.TopK, "top-k", 0, "draw from this many of the likeliest tokens only; 0 for all")
	l.Float64Var(&f.topP, "top-p", 1, "draw from the likeliest tokens of this total probability only; 1 for all")
	l.Float64Var(&f.options.MinP, "min-p", 0, "draw only from tokens of at least this share of the likeliest's probability; 0 for all")
	l.Float64Var(&f.options.RepeatPenalty, "repeat-penalty", 1, "divides the logits of tokens that occurred of late; 1 changes nothing")
	l.IntVar(&f.options.RepeatLast, "repeat-last", 64, "how many tokens count as of late")
	l.StringArrayVar(&f.stops, "stop", nil, "end before this text; may be given several times")
	l.StringVar(&f.schema, "json-schema", "", "file of a JSON schema, which the text fits: nothing else is drawn")
	l.BoolVar(&f.noSlide, "no-slide", false, "end at the model's context; otherwise the oldest half of the text is forgotten there")
	l.StringVar(&f.precision, "precision", "auto", "type of the weights in memory: float32; bf16, of which half as many bytes are read for each token; auto: bf16 where the file has bf16, else float32")
	l.StringVar(&f.kvType, "kv-type", "float32", "type of the KV cache: float32 or bf16")
	l.StringVar(&f.quantize, "quantize", "", "none, or w8a8: linear layers in 8 bits, weights and activations; w8a8-head: embedding and head too; w8a8:asymmetric, w8a8:compressed-tensors: otherwise rounded activations; by default as the file has it")
	l.Uint64Var(&f.options.Seed, "seed", 1, "the same seed gives the same text")
	return c
}

// generate prints the continuations; prompts are not repeated. Remarks go to notes.
func (f *flags) generate(ctx context.Context, in io.Reader, w, notes io.Writer) error {
	load, err := f.check()
	if err != nil {
		return err
	}
	prompts := []string{""}
	if !f.chatting {
		if prompts, err = f.prompts(in); err != nil {
			return err
		}
	}
	dev, err := device.Open(f.device, 0, nil)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	defer dev.Close()
	load.Slots = min(f.parallel, len(prompts)*f.samples)
	m, err := infer.LoadAdapted(f.model, f.adapter, dev, load)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if note := m.Note(); note != "" {
		fmt.Fprintln(notes, "note:", note)
	}
	if f.fits != nil {
		f.options.Grammar = m.Vocabulary().Grammar(f.fits)
	}
	start := time.Now()
	s := infer.NewScheduler(m, len(prompts)*f.samples)
	if f.chatting {
		err = f.chat(ctx, in, w, notes, m, s)
	} else {
		err = f.run(ctx, w, notes, m, s, prompts)
	}
	st := s.Stats()
	s.Close()
	if f.timings && err == nil && !f.chatting {
		seconds := time.Since(start).Seconds()
		fmt.Fprintf(notes, "%d tokens of prompts, %d drawn in %.2f s: %.1f tokens/s\n", st.Prompt, st.Drawn, seconds, float64(st.Drawn)/seconds)
	}
	return errors.Join(err, m.Close())
}

// most bounds samples of a prompt, and texts at once.
const most = 1 << 16

// check reads the flags.
func (f *flags) check() (o infer.LoadOptions, err error) {
	if f.model == "" {
		return o, cli.Usagef("--model is missing: name a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	}
	for name, n := range map[string]int{"samples": f.samples, "parallel": f.parallel} {
		if n < 1 || n > most {
			return o, cli.Usagef("--%s (%d) must lie between 1 and %d", name, n, most)
		}
	}
	f.options.SetTopP(f.topP)
	if f.chatting && (f.promptFile != "" || f.prompt != "" || f.samples > 1 || f.json || f.options.LogProbs > 0) {
		return o, cli.Usagef("--chat reads what you say from standard input: it takes no --prompt, --prompt-file, --samples, --json or --logprobs")
	}
	if !f.chatting && (f.system != "" || f.template != "") {
		return o, cli.Usagef("--system and --chat-template need --chat")
	}
	if f.promptFile != "" && f.prompt != "" {
		return o, cli.Usagef("--prompt and --prompt-file: want one of them")
	}
	if f.options.LogProbs > 0 && !f.json && f.promptFile == "" {
		return o, cli.Usagef("--logprobs needs --json")
	}
	for _, stop := range f.stops {
		if stop == "" {
			return o, cli.Usagef("--stop is empty")
		}
	}
	if err := f.options.Validate(); err != nil {
		return o, cli.Usagef("--%w", err)
	}
	if err := o.SetTypes(f.precision, f.kvType, f.quantize); err != nil {
		return o, cli.Usagef("--%w", err)
	}
	f.options.Slide = !f.noSlide
	if f.schema != "" {
		raw, err := regular.ReadFile(f.schema)
		if err != nil {
			return o, fmt.Errorf("--json-schema: %w", err)
		}
		if f.fits, err = grammar.Schema(raw); err != nil {
			return o, fmt.Errorf("--json-schema: %s: %w", f.schema, err)
		}
	}
	return o, nil
}

// run completes the prompts: one text as it comes, several as objects in their order.
func (f *flags) run(ctx context.Context, w, notes io.Writer, m *infer.Model, s *infer.Scheduler, prompts []string) error {
	var texts []*text
	for i, prompt := range prompts {
		ids := m.Tokenizer.Prompt(prompt)
		if f.parseSpecial {
			ids = append(m.Tokenizer.Opening(), m.Tokenizer.Encode([]byte(prompt))...)
		}
		if len(ids) == 0 {
			if f.promptFile != "" {
				return fmt.Errorf("prompt %d of %s is empty, and the tokenizer has no token to begin with", i+1, f.promptFile)
			}
			return cli.Usagef("the prompt is empty, and the tokenizer has no token to begin with")
		}
		if n := len(ids); n >= m.Context() && f.options.Slide {
			fmt.Fprintf(notes, "note: prompt %d has %d tokens, the context %d: its oldest part is left out\n", i+1, n, m.Context())
		}
		for range f.samples {
			t := &text{prompt: prompt, ids: ids, o: f.options, done: make(chan error, 1)}
			t.o.Seed += uint64(len(texts))
			texts = append(texts, t)
		}
	}
	if len(texts) == 1 && !f.json && f.promptFile == "" {
		return texts[0].complete(ctx, m, s, f.stops, w)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, t := range texts {
		running.Go(func() { t.done <- t.complete(ctx, m, s, f.stops, io.Discard) })
	}
	for i, t := range texts {
		if err := <-t.done; err != nil {
			return err
		}
		if err := f.print(w, i, t); err != nil {
			return err
		}
	}
	return nil
}
