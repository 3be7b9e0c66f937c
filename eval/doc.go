// Package eval measures a model by benchmarks: the paper's zero-shot tasks, TriviaQA,
// RACE, WikiText-2 and others, tasks of a user's own, and any text.
//
//	files of a data set ─ Task.Items ─► Item: a question as it is put to a model
//	                                        │
//	        Scorer, on an infer.Model: log-likelihoods of continuations, texts generated
//	                                        │
//	                     Measure: acc, acc_norm, F1, perplexity ─► Result
//
// A [Task] is a value: where its files are, how a record becomes an item, what is
// measured. Package eval/tasks has one file for each. An [Item] is what a model is asked,
// so that the [Scorer] knows nothing of tasks, and tasks nothing of tokens.
//
// A [Protocol] decides prompts and measures: that of lm-evaluation-harness 0.4.13, or the
// paper's (LLaMA's, Touvron et al., 2023, section 3).
//
// The scorer computes what the choices of an item share once: the common tokens go into
// the KV cache, and the choices fork off it. Items are sorted by length and computed many
// at once.
package eval
