// Package dataset reads the records of benchmarks' data sets: JSONL, JSON and parquet,
// packed or not, with the labels that some keep in a file of their own.
//
// Files are read by package data/ingest. A [Record] gives fields by name, dots going
// down into objects, and remembers the first that is missing or of another type, so
// that a task's definition takes fields without checking each:
//
//	for r, err := range dataset.Objects("piqa/valid.jsonl.gz") {
//		…
//		goal, choices := r.Text("goal"), []string{r.Text("sol1"), r.Text("sol2")}
//		if err := r.Err(); err != nil { … }
//	}
package dataset
