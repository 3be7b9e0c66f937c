// Package hint knows what a user may have meant: names of other programs' options, words
// that are spelt otherwise, and places that hold no files. Commands and readers of files
// say the same of the same mistake.
package hint
