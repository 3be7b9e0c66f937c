// Package shard reads and writes token shards: files of the tokens of many
// documents, with an index of the documents, the fingerprint of the tokenizer
// and a checksum over everything. docs/format/tokens.md describes them to the
// byte.
//
// A [Writer] streams tokens to a file that gets its name only when it is
// whole; a [Shard] maps a file into memory and reads nothing until it is asked
// for.
//
//	w, err := shard.Create("tokens-00000.tok", shard.Meta{Width: 2, Vocab: 32000, …})
//	err = w.Append(ids)
//	err = w.EndDocument(textBytes)
//	info, err := w.Finish()
//
// A [Folder] of shards is taken whole, as its [Manifest] says, or not at all.
//
//	paths, err := shard.Folder("tokens")
//	s, err := shard.Open(paths[0])
//	defer s.Close()
//	err = s.Verify()
package shard
