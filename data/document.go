package data

import "sync"

// Document is one text: a file, or a line of a .jsonl file.
type Document struct {
	Name string // the file's path, with :LINE for a line of a .jsonl file
	Text []byte
}

// TextBytes is the number of bytes of all documents.
func TextBytes(docs []Document) int64 {
	var n int64
	for _, d := range docs {
		n += int64(len(d.Text))
	}
	return n
}

// piece is a part of a document that can be worked on by itself.
type piece struct {
	doc   int
	text  []byte
	first bool // of its document
	last  bool
}

// pieces cuts the documents into parts of about size bytes where cut allows.
func pieces(docs []Document, size int, cut func(text []byte, from int) int, yield func(piece) bool) {
	for i, d := range docs {
		text := d.Text
		for first := true; ; first = false {
			end := len(text)
			if end > size+size/2 {
				end = cut(text, size)
			}
			if !yield(piece{i, text[:end], first, end == len(text)}) {
				return
			}
			if text = text[end:]; len(text) == 0 {
				break
			}
		}
	}
}

// inParallel runs work on each of workers goroutines and waits for them.
func inParallel(workers int, work func(worker int)) {
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() { work(w) })
	}
	group.Wait()
}
