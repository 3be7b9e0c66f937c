package ingest

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// packers are the endings of packed files, with their names for errors.
var packers = map[string]string{".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd", ".zstd": "zstd"}

// Unpacked returns a reader of what a file holds, told by its name's ending,
// and the name without that ending. Closing it does not close packed. Errors
// of the reader name the file.
func Unpacked(name string, packed io.Reader) (io.ReadCloser, string, error) {
	ext := filepath.Ext(name)
	kind, ok := packers[ext]
	if !ok {
		return &unpacker{Reader: packed, name: name, kind: "file"}, name, nil
	}
	u := &unpacker{name: name, kind: kind}
	var err error
	switch kind {
	case "gzip":
		var z *gzip.Reader
		if z, err = gzip.NewReader(packed); err == nil {
			u.Reader, u.close = z, z.Close
		}
	case "bzip2":
		u.Reader = bzip2.NewReader(bufio.NewReader(packed))
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30)); err == nil {
			u.Reader, u.close = z, func() error { z.Close(); return nil }
		}
	}
	if err != nil {
		return nil, "", u.tell(err)
	}
	return u, strings.TrimSuffix(name, ext), nil
}

// unpacker names the file in errors.
type unpacker struct {
	io.Reader
	name, kind string
	close      func() error
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = u.tell(err)
	}
	return n, err
}

func (u *unpacker) tell(err error) error {
	switch {
	case u.kind == "file":
		return fmt.Errorf("%s: %w", u.name, err)
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return fmt.Errorf("%s: the %s file is cut short: %w", u.name, u.kind, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: broken %s file: %w", u.name, u.kind, err)
}

func (u *unpacker) Close() error {
	if u.close == nil {
		return nil
	}
	return u.close()
}
