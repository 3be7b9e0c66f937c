// Package ingest reads documents from files one at a time, in memory that does
// not grow with the file: plain text, JSON lines and parquet, packed with
// gzip, bzip2 or zstd or not at all.
//
// What is wrong with one document, such as a broken JSON line, comes back in
// its [Record], and reading goes on; what is wrong with a file, such as a
// gzip stream that is cut short, is an error of [Reader.Next] that names it.
//
//	r, err := ingest.Open("docs.jsonl.zst", ingest.Options{})
//	defer r.Close()
//	for {
//		record, err := r.Next()
//		…
//	}
package ingest
