// Command mobilellm-eval measures a trained model by benchmarks. Run it with --help.
package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mobilellm/device"
	"mobilellm/eval/tasks"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer/chat"
)

const description = `Measure a trained model by the paper's benchmarks, or by tasks and texts of your
own. Results go to standard output, progress and errors to standard error.

--model takes a run's folder, of which it uses the best checkpoint or else the
latest, a checkpoint, a Hugging Face folder or a GGUF file.

--items keeps every answer in a file, with log-likelihoods. An evaluation that was
interrupted goes on where it was when it is begun again with the same file.

Exit codes:
    0  done
    1  error
    2  mistake on the command line
  130  interrupted by Ctrl-C
  143  interrupted by SIGTERM`

func main() {
	cli.Main(newCommand(), cli.Options{Graceful: true, Tasks: append(slices.Sorted(maps.Keys(tasks.Groups)), tasks.Names()...)})
}

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "mobilellm-eval --model PATH --tasks NAMES",
		Short: "Measure a trained model by benchmarks",
		Long:  description,
		Example: "  mobilellm-eval --model runs/125m-1 --tasks zero-shot --data-dir data\n" +
			"  mobilellm-eval --model model.gguf --text notes.txt\n" +
			"  mobilellm-eval datasets --data-dir data",
		Args: cli.NoArguments("name tasks with --tasks"),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.evaluate(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	l := c.Flags()
	l.StringVar(&f.model, "model", "", "a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	l.StringVar(&f.adapter, "adapter", "", "a LoRA adapter to merge into the model's weights: PEFT's folder, or the run that trained it")
	l.StringVar(&f.tasks, "tasks", "", "tasks and groups of them, with commas between; mobilellm-eval datasets lists them")
	l.StringArrayVar(&f.own, "task", nil, "a task of your own, as name=file.jsonl, or a benchmark with the questions of that file; may be given several times")
	l.StringArrayVar(&f.texts, "text", nil, "a text to score: loss, perplexity, bits per byte; may be given several times")
	l.StringVar(&f.protocol, "protocol", "lm-eval", "how questions are put and measured: lm-eval (lm-evaluation-harness 0.4.13), paper, or lm-eval,paper, which puts a question that both have once")
	l.StringVar(&f.options.DataDir, "data-dir", "data", "folder of data sets")
	l.IntVar(&f.options.Limit, "limit", 0, "questions of a task at most, drawn by --seed; 0 for all")
	l.Uint64Var(&f.options.Seed, "seed", 1234, "decides which questions --limit takes")
	l.IntVar(&f.shots, "shots", -1, "examples before each question; the task's own by default")
	l.StringVar(&f.items, "items", "", "file for each question's answer and log-likelihoods, a JSON object a line; what it has of the same model is not computed again")
	l.BoolVar(&f.json, "json", false, "print one JSON object")
	l.StringVar(&f.device, "device", device.Auto, "where to compute: cpu, cuda, or auto, which takes an NVIDIA GPU where there is one")
	l.StringVar(&f.precision, "precision", "float32", "type of the weights: float32, bf16, or auto: bf16 where the file has bf16")
	l.StringVar(&f.kvType, "kv-type", "float32", "type of the KV cache: float32 or bf16")
	l.StringVar(&f.quantize, "quantize", "", "none, or w8a8: linear layers in 8 bits, weights and activations; w8a8-head: embedding and head too; w8a8:asymmetric, w8a8:compressed-tensors: otherwise rounded activations; w4a16 and the like: other bits; by default as the file has it")
	l.StringVar(&f.compare, "compare", "", "types of the model with commas between, such as bf16,w8a8: asks it in each, and says how the others differ from the first; --items FILE.jsonl keeps the answers in FILE.TYPE.jsonl")
	l.BoolVar(&f.constrained, "constrained", false, "ask api-calling once more where nothing can be answered but a call that the APIs' schemas allow, and the reply")
	l.StringVar(&f.template, "chat-template", "", "chat template for conversations in place of the model's: a Jinja file, or "+strings.Join(chat.Names(), ", "))
	l.StringVar(&f.answers, "answers", "", "folder for the answers of alpaca-eval, mt-bench and paper-prompts, in the files that their judges read")
	l.StringVar(&f.name, "model-name", "", "name of the model in those; by default the last part of --model")
	l.IntVar(&f.context, "context", 0, "most tokens of a question with its answer; 0 for the model's context")
	l.IntVar(&f.workers, "workers", 0, "worker threads; 0 is one a processor")
	c.AddCommand(datasetsCommand(), compareCommand(), tableCommand())
	return c
}
