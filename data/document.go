package data

import "mobilellm/tokenizer"

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
		left := len(d.Text)
		for part := range tokenizer.Parts(d.Text, size, cut) {
			first := left == len(d.Text)
			left -= len(part)
			if !yield(piece{i, part, first, left == 0}) {
				return
			}
		}
	}
}
