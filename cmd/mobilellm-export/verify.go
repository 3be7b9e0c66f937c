package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/device"
	"mobilellm/export/convert"
	"mobilellm/internal/cli"
)

func newVerify() *cobra.Command {
	var against, tokenizer, deviceName string
	var tokens int
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify DIR --against PATH",
		Short: "Read back what was written and compare weights, logits and tokens",
		Long: `Read back what was written at PATH and compare it with the model DIR.

Every weight must be the model's, rounded to a type of the format, and logits on
random tokens must agree within 1e-4 with those of the model rounded alike. How
far rounding itself moves the logits is reported beside.

Special tokens, what opens a text, the chat template and the ids of texts must be
the model's too. The texts are a list of odd ones, that of every token, and control
tokens within others.`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return cli.Usagef("name one model to compare with")
			case against == "":
				return cli.Usagef("--against is missing: name what was written")
			case tokens < 1:
				return cli.Usagef("--tokens (%d) must be positive", tokens)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			m, err := convert.Read(args[0], tokenizer)
			if err != nil {
				return err
			}
			dev, err := device.Open(deviceName, 0, nil)
			if err != nil {
				return fmt.Errorf("--%w", err)
			}
			defer dev.Close()
			result, err := convert.Verify(m, against, dev, tokens)
			if result != nil {
				if printing := printResult(c.OutOrStdout(), result, asJSON); printing != nil {
					return printing
				}
			}
			return err
		},
	}
	l := c.Flags()
	l.StringVar(&against, "against", "", "the folder or file that was written")
	l.StringVar(&tokenizer, "tokenizer", "", "the tokenizer.bin of a llama2.c model")
	l.IntVar(&tokens, "tokens", 64, "positions to compare, at most the model's context")
	l.BoolVar(&asJSON, "json", false, "print one JSON object")
	addDevice(l, &deviceName)
	return c
}

func printResult(w io.Writer, r *convert.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	var types []string
	for _, name := range slices.Sorted(maps.Keys(r.Types)) {
		types = append(types, fmt.Sprintf("%d %s", r.Types[name], name))
	}
	_, err := fmt.Fprintf(w, `format                 %s
weights                %s
positions compared     %d
logits, rounded alike  %.2g apart at most
logits, as trained     %.2g apart at most
likeliest token        the same at %.1f %%
`, r.Format, strings.Join(types, ", "), r.Tokens, r.RoundedDifference, r.Difference, 100*r.Agreement)
	if err != nil || r.Special == nil {
		return err
	}
	s := r.Special
	_, err = fmt.Fprintf(w, `special tokens         BOS %s, EOS %s, PAD %s; %s opens a text
texts compared         %d
`, idText(s.BOS), idText(s.EOS...), idText(s.PAD), idText(s.Start), r.Texts)
	return err
}

// idText writes ids; -1 is none.
func idText(ids ...int32) string {
	if len(ids) == 0 || ids[0] < 0 {
		return "none"
	}
	return strings.Trim(fmt.Sprint(ids), "[]")
}
