package ingest

import "bytes"

// A separator is a text between documents, such as <|endoftext|>. The line
// breaks right before and behind it go with it, and no document is empty.

const lineBreaks = "\r\n"

// firstDocument finds the document before a text's first separator: where it ends
// and where the separator does.
func firstDocument(text, separator []byte) (end, behind int, found bool) {
	at := -1
	if len(separator) > 0 {
		at = bytes.Index(text, separator)
	}
	if at < 0 {
		return len(text), len(text), false
	}
	return len(bytes.TrimRight(text[:at], lineBreaks)), at + len(separator), true
}

// cutDocument returns the text before the first separator, and what follows that
// and its line breaks. Without a separator all is the document.
func cutDocument(text, separator []byte) (document, rest []byte) {
	end, behind, _ := firstDocument(text, separator)
	return text[:end:end], withoutBreaks(text[behind:], separator)
}

// withoutBreaks is the text behind a separator without its line breaks.
func withoutBreaks(text, separator []byte) []byte {
	for beginsWithBreak(text, separator) {
		text = text[1:]
	}
	return text
}

// beginsWithBreak is false of a line break that the next separator begins with.
func beginsWithBreak(text, separator []byte) bool {
	return len(text) > 0 && (text[0] == '\r' || text[0] == '\n') && !bytes.HasPrefix(text, separator)
}

// partialSeparator is how many bytes at a text's end may be the beginning of a
// separator.
func partialSeparator(text, separator []byte) int {
	for n := min(len(text), len(separator)-1); n > 0; n-- {
		if bytes.HasSuffix(text, separator[:n]) {
			return n
		}
	}
	return 0
}
