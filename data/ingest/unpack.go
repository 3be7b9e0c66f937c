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

// packed returns how a file is packed, "" for not, and its name without that
// ending.
func packed(name string) (kind, inner string) {
	ext := filepath.Ext(name)
	if kind = packers[strings.ToLower(ext)]; kind == "" {
		return "", name
	}
	return kind, strings.TrimSuffix(name, ext)
}

// zstdWindow is the largest window that zstd --long makes.
const zstdWindow = 1 << 31

// unpack returns a reader of what a file holds, told by its name's ending.
// Closing it does not close the stream. Errors of the reader name the file.
func unpack(name string, stream io.Reader, limits Limits) (io.ReadCloser, error) {
	kind, _ := packed(name)
	u := &unpacker{name: name, kind: kind, limits: limits, packed: &tally{Reader: stream}}
	var err error
	switch kind {
	case "":
		u.in = stream
	case "gzip":
		u.in, err = newMembers(u.packed)
	case "bzip2":
		u.in = bzip2.NewReader(bufio.NewReader(u.packed))
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(u.packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow)); err == nil {
			u.in, u.close = z, z.Close
		}
	}
	if err != nil {
		return nil, u.tell(err)
	}
	return u, nil
}

// unpacker names the file in errors and holds it to its limits.
type unpacker struct {
	name, kind string
	limits     Limits
	packed     *tally
	in         io.Reader
	bytes      int64
	close      func()
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if err != nil && err != io.EOF {
		return n, u.tell(err)
	}
	if u.bytes += int64(n); u.kind != "" {
		if excess := u.limits.unpacked(u.name, u.bytes, u.packed.bytes); excess != nil {
			return n, excess
		}
	}
	return n, err
}

func (u *unpacker) tell(err error) error {
	name := Clean(u.name)
	switch {
	case u.kind == "":
		return fmt.Errorf("%s: %w", name, cleaned(err))
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return fmt.Errorf("%s: the %s file is cut short: %w", name, u.kind, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: broken %s file: %w", name, u.kind, cleaned(err))
}

// Close implements io.Closer.
func (u *unpacker) Close() error {
	if u.close != nil {
		u.close()
	}
	return nil
}

// members reads the members of a gzip file one after the other, as gzip does:
// zero bytes behind a member, which fill up the blocks of a tape, are nothing.
type members struct {
	in *bufio.Reader
	z  *gzip.Reader
}

func newMembers(in io.Reader) (*members, error) {
	m := &members{in: bufio.NewReaderSize(in, 64<<10)}
	var err error
	if m.z, err = gzip.NewReader(m.in); err != nil {
		return nil, err
	}
	m.z.Multistream(false)
	return m, nil
}

func (m *members) Read(p []byte) (int, error) {
	n, err := m.z.Read(p)
	if err != io.EOF {
		return n, err
	}
	for {
		b, err := m.in.ReadByte()
		if err != nil {
			return n, err // io.EOF where no member follows
		}
		if b == 0 {
			continue
		}
		if err := m.in.UnreadByte(); err != nil {
			return n, err
		}
		if err := m.z.Reset(m.in); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		m.z.Multistream(false)
		return n, nil
	}
}
