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
