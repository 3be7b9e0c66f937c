package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"mobilellm/checkpoint"
	"mobilellm/export"
	"mobilellm/export/convert"
	"mobilellm/export/llama2c"
	"mobilellm/internal/cli"
)

type exportFlags struct {
	model, format, typ, out, tokenizer, quantize, license string
	adapter, merge                                        string
	binVersion                                            int
}

func newExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "mobilellm-export --model DIR --format hf|gguf|onnx|llama2c --out PATH",
		Short: "Take models to other programs and back",
		Long:  description,
		Example: `  mobilellm-export --model runs/first --format gguf --type q8_0 --out first.gguf
  mobilellm-export --model smollm2.gguf --format hf --out smollm2
  mobilellm-export --model small.bin --tokenizer tok512.bin --format hf --out small
  mobilellm-export --model runs/first --format hf --quantize w8a8 --out first-w8a8
  mobilellm-export --model smollm2 --merge-adapter runs/chat --format gguf --out chat.gguf
  mobilellm-export --model smollm2 --adapter runs/chat --format gguf --out chat-lora.gguf
  mobilellm-export verify runs/first --against first.gguf`,
		Args: cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			paths, notes, err := f.export()
			for _, note := range notes {
				fmt.Fprintln(c.ErrOrStderr(), "note:", note)
			}
			for _, path := range paths {
				fmt.Fprintln(c.OutOrStdout(), path)
			}
			return err
		},
	}
	l := c.Flags()
	l.StringVar(&f.model, "model", "", "the model to read")
	l.StringVar(&f.format, "format", "", "the format to write: hf, gguf, onnx or llama2c")
	l.StringVar(&f.typ, "type", "f32", "the type of the weights: f32; f16 and bf16 but for llama2c; for gguf also q8_0, q5_1, q5_0, q4_1 and q4_0, for onnx int8 and int4")
	l.StringVar(&f.quantize, "quantize", "none", "for hf: w8a8: linear layers in 8 bits as compressed-tensors stores them, the rest in --type; w8a8-head: the head too")
	l.StringVar(&f.out, "out", "", "the folder or file to write")
	l.StringVar(&f.merge, "merge-adapter", "", "a LoRA adapter to merge into the model's weights: PEFT's folder, or the run that trained it")
	l.StringVar(&f.adapter, "adapter", "", "write this adapter of the model by itself: for hf PEFT's folder, for gguf a file for llama.cpp's --lora")
	l.StringVar(&f.tokenizer, "tokenizer", "", "the tokenizer.bin of a llama2.c model; the one beside it where this is left out")
	l.StringVar(&f.license, "license", "", "the license that the model card of hf names, as the Hub does: apache-2.0; none where this is left out")
	l.IntVar(&f.binVersion, "bin-version", 0, "the version of a llama2.c file to write: 0 or 1")
	return c
}

func (f *exportFlags) export() (paths, notes []string, err error) {
	for _, needed := range []struct{ flag, value string }{{"--model", f.model}, {"--format", f.format}, {"--out", f.out}} {
		if needed.value == "" {
			return nil, nil, cli.Usagef("%s is missing", needed.flag)
		}
	}
	format, err := convert.ParseFormat(f.format)
	if err != nil {
		return nil, nil, cli.Usagef("--format: %w", err)
	}
	if f.binVersion != 0 && f.binVersion != 1 {
		return nil, nil, cli.Usagef("--bin-version (%d) must be 0 or 1", f.binVersion)
	}
	if err := format.CheckType(f.typ); err != nil {
		return nil, nil, cli.Usagef("--type: %w", err)
	}
	if err := export.CheckLicense(f.license); err != nil {
		return nil, nil, cli.Usagef("--license: %w", err)
	}
	if f.license != "" && format != convert.HF {
		return nil, nil, cli.Usagef("--license is of the model card, which %s has not", format)
	}
	quantize, err := checkpoint.ParseQuantization(f.quantize)
	if err != nil {
		return nil, nil, cli.Usagef("--quantize: %w", err)
	}
	if quantize != checkpoint.NotQuantized && format != convert.HF {
		return nil, nil, cli.Usagef("--quantize (%s) is for --format hf, not %s", quantize, format)
	}
	if f.adapter != "" && (f.merge != "" || quantize != checkpoint.NotQuantized || f.license != "") {
		return nil, nil, cli.Usagef("--adapter writes an adapter by itself: it goes with none of --merge-adapter, --quantize and --license")
	}
	if f.adapter != "" && format != convert.HF && format != convert.GGUF {
		return nil, nil, cli.Usagef("--adapter is for --format hf or gguf, not %s", format)
	}
	m, err := convert.Read(f.model, f.tokenizer)
	if err != nil {
		return nil, nil, err
	}
	o := convert.Options{Format: format, Type: f.typ, Version: llama2c.Version(f.binVersion), Out: f.out, License: f.license, Quantize: quantize}
	if f.adapter == "" && f.merge == "" {
		return convert.Write(m, o)
	}
	a, err := checkpoint.OpenAdapter(cmp.Or(f.adapter, f.merge))
	if err != nil {
		return nil, nil, err
	}
	if f.adapter != "" {
		if notes, err = convert.WriteAdapter(m, a, o); err != nil {
			return nil, notes, err
		}
		return []string{f.out}, notes, nil
	}
	if err := m.Merge(a); err != nil {
		return nil, nil, err
	}
	return convert.Write(m, o)
}
