// Package chars says what characters are to the tokenizers library: their general
// categories and scripts as its regular expressions have them (Unicode 16), what its
// own code takes for words, numbers and punctuation, lower case (Unicode 17), the marks
// that its normalizers know (Unicode 9), and clusters of characters.
//
// Package unicode is not asked, but for the folding of case: it follows the toolchain's
// version of Unicode, and a tokenizer's ids must not change with that. tables.go is made
// by testdata/chars.py.
package chars
