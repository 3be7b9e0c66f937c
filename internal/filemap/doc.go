// Package filemap maps files into memory, to be read without being copied.
package filemap
