// Package words cuts text into the words that a byte-level BPE merges one by one.
//
// The patterns that most tokenizers use have scanners written by hand; classes of
// characters are those of the tokenizers library's regular expressions, whatever
// the toolchain's version of Unicode.
package words
