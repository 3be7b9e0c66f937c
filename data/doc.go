// Package data turns text into training batches.
//
// The way of a byte: a [Source] names text, [ReadSources] reads it as [Document]
// values, [SplitHeldout] sets some of them aside and leaves their copies out, a
// tokenizer of package tokenizer makes ids of them, [BuildCorpus] joins these with what
// opens and ends each document, a [Sampler] says which window of the corpus is which row
// of which step, and a [Loader] keeps finished batches ahead of the training loop. [Load]
// walks the whole way for a [Config], the `data:` section of a run.
//
// A source may also be token shards (package shard) that package prepare made
// of more text than memory holds, or the official code's folders of token ids;
// sources may have weights, and stages of other weights. Documents are read by
// package ingest, for training as for shards.
//
// A source of kind chat, or prompt_completion, holds conversations: records that package
// conversation renders to ids with what of them is supervised. They lie in the corpus row
// by row, whole ones that fill a sample as well as they can (best fit decreasing,
// [fitDecreasing]), and what is not supervised has no target in a [Batch]. What is longer
// than a sample is cut, what teaches nothing is left out; [ChatReport] counts both. Sources
// of text beside them are sampled as ever, by weights or, without, each window once an
// epoch.
//
// One promise holds throughout: the sample for (seed, epoch, step, rank, ranks) is a
// pure function, so that a run resumed at step k sees exactly what the unbroken run would
// have seen, without replaying anything.
//
// The paper (Liu et al., ICML 2024, section 2) trains on sequences of 2,048
// tokens with LLaMA's 32,000-piece vocabulary; here the vocabulary is free.
//
//	docs, _, err := data.ReadSources(ctx, []data.Source{{Path: "corpus"}}, data.Reading{})
//	corpus, err := data.BuildCorpus(ctx, docs, data.Encoding{Tokenizer: tokenizer.Bytes()})
//	loader, err := data.NewLoader(corpus, data.LoaderConfig{Batch: 8, Seq: 256, Seed: 1})
//	defer loader.Close()
//	batch, err := loader.Next(ctx)
package data
