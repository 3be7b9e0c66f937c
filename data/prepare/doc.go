// Package prepare turns folders of text into token shards: it reads documents
// of many formats, leaves out copies and what a benchmark contains, encodes on
// all processors and writes [shard] files, a manifest.json and the tokenizer
// into one folder.
//
// The folder's bytes depend on the input and the settings alone. Work that was
// interrupted at any moment is taken up at the last finished shard and ends
// with the same bytes. A document that cannot be read is counted and listed in
// skipped.jsonl. Documents are those that training on the same files has. Memory is bounded whatever the size of the input, but for the
// hashes that finding copies needs.
//
//	report, err := prepare.Tokenize(ctx, prepare.Options{
//		Inputs: []string{"dump/*.parquet"}, Out: "tokens", Tokenizer: tok, …
//	})
package prepare
