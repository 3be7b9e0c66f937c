package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mobilellm/device"
	"mobilellm/export"
	"mobilellm/export/convert"
	"mobilellm/internal/cli"
)

type logitsFlags struct {
	model, tokenizer, tokens, text, device string
}

func newLogits() *cobra.Command {
	var f logitsFlags
	c := &cobra.Command{
		Use:   "logits --model DIR --tokens 1,15,7",
		Short: "Print the logits of tokens, to compare with other programs",
		Long: `Print one JSON object with tokens [T], vocab_size and logits [T][V]: those of the
token that follows each position. --tokens - reads the ids from standard input;
--text takes those of a text, begun as prompts are.`,
		Args: cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.model == "" || (f.tokens != "") == c.Flags().Changed("text") {
				return cli.Usagef("--model and one of --tokens and --text are needed")
			}
			return f.print(c)
		},
	}
	l := c.Flags()
	l.StringVar(&f.model, "model", "", "the model to run")
	l.StringVar(&f.tokenizer, "tokenizer", "", "the tokenizer.bin of a llama2.c model")
	l.StringVar(&f.tokens, "tokens", "", "token ids, separated by commas")
	l.StringVar(&f.text, "text", "", "a text instead of ids")
	addDevice(l, &f.device)
	return c
}

func (f *logitsFlags) print(c *cobra.Command) error {
	var ids []int32
	var err error
	if f.tokens != "" { // before a model is read
		if ids, err = readIDs(f.tokens, c.InOrStdin()); err != nil {
			return err
		}
	}
	m, err := convert.Read(f.model, f.tokenizer)
	if err != nil {
		return err
	}
	if f.tokens == "" {
		if ids, err = prompt(m, f.text, c.ErrOrStderr()); err != nil {
			return err
		}
	}
	dev, err := device.Open(f.device, 0, nil)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	defer dev.Close()
	logits, err := m.Logits(dev, ids)
	if err != nil {
		return err
	}
	return printLogits(c.OutOrStdout(), ids, logits, m.Config.VocabSize)
}

// readIDs are the ids of a list, or of standard input.
func readIDs(list string, stdin io.Reader) ([]int32, error) {
	if list == "-" {
		raw, err := io.ReadAll(io.LimitReader(stdin, 64<<20))
		if err != nil {
			return nil, err
		}
		list = string(raw)
	}
	ids, err := parseIDs(list)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return ids, nil
}

// prompt are the ids of a text as the model's tokenizer begins one.
func prompt(m *export.Model, text string, notes io.Writer) ([]int32, error) {
	t, err := m.Tokenizer()
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, cli.Usagef("--text: the model came without a tokenizer")
	}
	if note := t.Beyond(m.Config.VocabSize); note != "" {
		fmt.Fprintln(notes, "note:", note)
	}
	ids := t.Prompt(text)
	if len(ids) == 0 {
		return nil, cli.Usagef("--text is empty, and the tokenizer has no token to begin with")
	}
	return ids, nil
}

// addDevice adds the flag that chooses where to compute.
func addDevice(l *pflag.FlagSet, name *string) {
	l.StringVar(name, "device", device.Auto, "where to compute: cpu, cuda, or auto, which takes an NVIDIA GPU where there is one")
}

func parseIDs(list string) ([]int32, error) {
	var ids []int32
	for _, field := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", []\n\t\r", r) }) {
		id, err := strconv.ParseInt(field, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("--tokens: %q is no token id", field)
		}
		ids = append(ids, int32(id))
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("--tokens: there is no token id in it")
	}
	return ids, nil
}

func printLogits(w io.Writer, ids []int32, logits []float32, vocab int) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `{"tokens":%s,"vocab_size":%d,"logits":[`, list, vocab)
	var number []byte
	for i, x := range logits {
		switch {
		case i == 0:
			b.WriteByte('[')
		case i%vocab == 0:
			b.WriteString("],[")
		default:
			b.WriteByte(',')
		}
		number = strconv.AppendFloat(number[:0], float64(x), 'g', -1, 32)
		b.Write(number)
	}
	b.WriteString("]]}\n")
	return b.Flush()
}
