// Package tasks has the benchmarks, a file each: values of [eval.Task] that say where the
// files of a data set are, how a record is put as a question, and what is measured.
//
// Prompts follow lm-evaluation-harness 0.4.13 byte for byte; golden files of its own
// logged prompts hold them to it (testdata/harness.py). The paper's protocol has the same
// prompts and other measures, LLaMA's, as far as is known: MobileLLM's own pipeline was
// not published.
//
// A task is added by a file with a value and its line in [All]. A task that needs no
// prompt of its own needs no code either: [FromFile] reads it from JSONL.
package tasks
