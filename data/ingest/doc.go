// Package ingest finds files of text and reads their documents, for training and
// for token shards alike.
//
// [Files] lists what a path means. [Open] reads a file's records one at a time, in
// memory that does not grow with the file: plain text, JSON (an object a line,
// arrays, objects over several lines) and parquet, packed with gzip, bzip2 or zstd
// or not at all. A file's kind is told by its name's ending in any case; how values
// lie in a file of JSON, by its content. What JSON is, is what Python's json module
// takes for it. [Record.AppendDocuments] gives the documents of a record,
// [Record.Object] the fields of an object or, with [Options.Rows], of a table's row.
//
// A .json file is read as the json loader of Hugging Face's datasets reads it: as
// an array or as objects, never as plain text. An object without the field is no
// document.
//
// What is wrong with one document, such as a broken JSON line, is in its [Record],
// and reading goes on; what is wrong with a file, such as a gzip stream that is cut
// short, is an error of [Open] or [Reader.Next] that names it. JSON and parquet
// must be UTF-8; a plain text may hold some bytes that are not, see [NotText].
//
// [Limits] bound what a file can take: a document of a JSON or parquet file, a line
// or a paragraph has at most 256 MiB, and a file may unpack to 1 GiB or 200 times
// its size.
//
//	r, err := ingest.Open("docs.jsonl.zst", ingest.Options{})
//	defer r.Close()
//	for {
//		record, err := r.Next()
//		…
//		docs = record.AppendDocuments(docs[:0], "text", "")
//	}
package ingest
