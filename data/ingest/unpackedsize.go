package ingest

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// UnpackedSize is how many bytes a packed file says that it holds: in the last four
// bytes of a gzip file (RFC 1952, ISIZE), in the header of a zstd frame (RFC 8878). It
// is 0 where the file does not say, or says less than it has itself, as one of several
// parts or of more than 4 GiB does.
func UnpackedSize(path string) (int64, error) {
	kind, _ := packed(path)
	if kind != "gzip" && kind != "zstd" {
		return 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var said uint64
	if kind == "gzip" {
		var last [4]byte
		if _, err := f.ReadAt(last[:], max(0, info.Size()-4)); err != nil {
			return 0, nil // too short to be one: reading it tells
		}
		said = uint64(binary.LittleEndian.Uint32(last[:]))
	} else {
		var h zstd.Header
		raw := make([]byte, zstd.HeaderMaxSize)
		n, err := io.ReadFull(f, raw)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if h.Decode(raw[:n]) != nil || !h.HasFCS {
			return 0, nil
		}
		said = h.FrameContentSize
	}
	if said < uint64(info.Size()) || said > 1<<62 {
		return 0, nil
	}
	return int64(said), nil
}
