package main

import "github.com/spf13/cobra"

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
		Use:     "mobilellm-data",
		Short:   "Turn text into training tokens",
		Long:    description,
		Example: examples,
	}
	c.AddCommand(newTokenize(), newTeach(), newEncode(), newDecode(), newInspect(), newVerify(), newTokenizer(), newSGD())
	return c
}
