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
	"mobilellm/internal/cli"
)

func newLogits() *cobra.Command {
	var model, tokenizer, tokens, deviceName string
	c := &cobra.Command{
		Use:   "logits --model DIR --tokens 1,15,7",
		Short: "Print the logits of a sequence of tokens, to compare with other programs",
		Long: `Print one JSON object with tokens [T], vocab_size and logits [T][V]: those of the
token that follows each position. --tokens - reads the ids from standard input.`,
		Args: cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			if model == "" || tokens == "" {
				return cli.Usagef("--model and --tokens are needed")
			}
			if tokens == "-" {
				raw, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 64<<20))
				if err != nil {
					return err
				}
				tokens = string(raw)
			}
			ids, err := parseIDs(tokens)
			if err != nil {
				return cli.Usage(err)
			}
			m, err := readModel(model, tokenizer)
			if err != nil {
				return err
			}
			dev, err := device.Open(deviceName, 0, nil)
			if err != nil {
				return fmt.Errorf("--%w", err)
			}
			defer dev.Close()
			logits, err := m.Logits(dev, ids)
			if err != nil {
				return err
			}
			return printLogits(c.OutOrStdout(), ids, logits, m.Config.VocabSize)
		},
	}
	l := c.Flags()
	l.StringVar(&model, "model", "", "the model to run")
	l.StringVar(&tokenizer, "tokenizer", "", "the tokenizer.bin of a llama2.c model")
	l.StringVar(&tokens, "tokens", "", "token ids, separated by commas")
	addDevice(l, &deviceName)
	return c
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
