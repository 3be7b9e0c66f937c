package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ErrNotText marks a file that holds no text.
var ErrNotText = errors.New("is not text")

// sniffBytes of a file tell whether it is text.
const sniffBytes = 64 << 10

// NotText says why bytes are no text, "" if they are: a NUL byte, or a tenth
// or more of the characters broken UTF-8. (Western text in Latin-1 stays well
// below that.)
func NotText(text []byte) string {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return "it is UTF-16, UTF-8 is needed\nhint: iconv -f UTF-16 -t UTF-8 makes it so"
	}
	head := text[:min(len(text), sniffBytes)]
	if at := bytes.IndexByte(head, 0); at >= 0 {
		return fmt.Sprintf("NUL byte at offset %d", at)
	}
	broken, all := 0, 0
	for i := 0; i < len(head); all++ {
		r, width := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && width == 1 {
			broken++
		}
		i += width
	}
	if 10*broken >= all && broken > 3 { // up to 3: a character that the head's end cut
		return fmt.Sprintf("%d of its first %d characters are not UTF-8", broken, all)
	}
	return ""
}

// headed is a stream whose beginning was looked at.
type headed struct {
	io.ReadCloser
	head []byte // not read yet
	err  error  // that follows it
}

// lookAhead reads the beginning of a stream of so many bytes, -1 where that is
// not known. What is no text is an error.
func lookAhead(name string, stream io.ReadCloser, size int64) (*headed, error) {
	n := int64(sniffBytes)
	if size >= 0 {
		n = min(n, size+1)
	}
	h := &headed{ReadCloser: stream, head: make([]byte, n)}
	got, err := io.ReadFull(stream, h.head)
	if h.head = h.head[:got]; err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if h.err = err; err != nil && err != io.EOF {
		return nil, err
	}
	if why := NotText(h.head); why != "" {
		return nil, fmt.Errorf("%s %w: %s", Clean(name), ErrNotText, why)
	}
	return h, nil
}

func (h *headed) Read(p []byte) (int, error) {
	switch {
	case len(h.head) > 0:
		n := copy(p, h.head)
		h.head = h.head[n:]
		return n, nil
	case h.err != nil:
		return 0, h.err
	}
	return h.ReadCloser.Read(p)
}
