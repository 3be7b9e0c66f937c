// Command mobilellm-export takes models to the formats of other programs and
// back. Run it with --help.
package main

import (
	"github.com/spf13/cobra"

	"mobilellm/internal/cli"
)

const description = `Write a model in the format of another program, or read one of theirs.

--model takes a model folder (this program's, Hugging Face's, the official
MobileLLM's), a run's folder, of which it uses the best checkpoint or else the
latest, a GGUF file or a llama2.c .bin.

--format chooses what is written to --out, which must not exist:
  hf       a Hugging Face folder that stock LLaMA code runs
  gguf     a file for llama.cpp
  onnx     a graph with a key-value cache for ONNX Runtime
  llama2c  a .bin for llama2.c, with NAME.tokenizer.bin beside it

A folder of hf has a model card, README.md: the model's shape, and of a run's
checkpoint its text, losses, scores and configuration. A README.md of the model's own
folder is kept instead.

Shared layers are written out as layers of their own; ONNX keeps them shared.
The paths that were written go to standard output, remarks to standard error.

Exit codes:
  0  done; for verify: what was written is the model
  1  error; for verify: it is not
  2  mistake on the command line`

func main() { cli.Main(newCommand(), cli.Options{}) }

func newCommand() *cobra.Command {
	c := newExport()
	c.AddCommand(newVerify(), newLogits())
	return c
}
