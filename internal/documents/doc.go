// Package documents holds the repository's documents to what they name: files, headings,
// targets of the Makefile, commands. What commands take is tested with each command, by
// clitest.Documented.
package documents
