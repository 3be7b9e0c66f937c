// Package topk reads and writes a teacher's log-probabilities beside token
// shards: for each position of a text, the k tokens that a teacher thinks
// likeliest to follow and their log-probabilities (paper, section 3.5).
// docs/format/teacher.md describes the file to the byte.
//
// The text is cut into windows of a fixed length from its first token on, each of
// which the teacher reads by itself; a window is a block of the file, with a
// checksum of its own. A [Writer] that was killed goes on behind the last block
// that is whole and ends with the same bytes. A [File] reads any run of positions
// and checks the blocks that it reads.
//
//	w, err := topk.Create("taught", topk.Meta{K: 32, Seq: 2048, …}, 1)
//	for n := w.Blocks(); n < w.Meta().Blocks(); n++ {
//		err = w.Append(ids, logp)
//	}
//	err = w.Finish()
//
//	f, err := topk.Open("taught")
//	err = f.Read(ids, logp, position)
package topk
