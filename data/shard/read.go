package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"mobilellm/internal/filemap"
	"mobilellm/internal/regular"
)

// Shard is a file mapped into memory. It is safe for concurrent use.
type Shard struct {
	Info
	Path string

	file  []byte
	close func() error
	short []uint16
	long  []uint32
}

// Open maps a shard and checks its header against its size and its index for
// order. Checksum and tokens take reading the whole file, see [Shard.Verify].
func Open(path string) (*Shard, error) {
	mapped, err := filemap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	s := &Shard{Path: path, file: mapped.Data, close: mapped.Close}
	if err := s.parse(); err != nil {
		mapped.Close()
		return nil, fmt.Errorf("shard %s: %w", path, err)
	}
	return s, nil
}

// Stat reads a shard's header alone and holds it to the file's size.
func Stat(path string) (Info, error) {
	f, err := regular.Open(path)
	if err != nil {
		return Info{}, fmt.Errorf("shard: %w", err)
	}
	defer f.Close()
	file, err := f.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("shard: %w", err)
	}
	header := make([]byte, headerSize)
	n, err := io.ReadFull(f, header)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Info{}, fmt.Errorf("shard %s: %w", path, err)
	}
	info, err := parseHeader(header[:n], file.Size())
	if err != nil {
		return Info{}, fmt.Errorf("shard %s: %w", path, err)
	}
	return info, nil
}

func (s *Shard) parse() error {
	var err error
	if s.Info, err = parseHeader(s.file, int64(len(s.file))); err != nil {
		return err
	}
	tokens := s.file[headerSize : headerSize+s.Tokens*int64(s.Width)]
	switch {
	case s.Tokens == 0:
	case !littleEndian && s.Width == 2:
		s.short = make([]uint16, s.Tokens)
		_, err = binary.Decode(tokens, binary.LittleEndian, s.short)
	case !littleEndian:
		s.long = make([]uint32, s.Tokens)
		_, err = binary.Decode(tokens, binary.LittleEndian, s.long)
	case s.Width == 2: // the mapping begins at a page, tokens 128 bytes later
		s.short = unsafe.Slice((*uint16)(unsafe.Pointer(&tokens[0])), s.Tokens)
	default:
		s.long = unsafe.Slice((*uint32)(unsafe.Pointer(&tokens[0])), s.Tokens)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	last := int64(0)
	for i := range s.Documents {
		end := s.End(i)
		if end < last || end > s.Tokens {
			return fmt.Errorf("%w: document %d ends at token %d, the one before at %d, the shard at %d", ErrFormat, i, end, last, s.Tokens)
		}
		last = end
	}
	if last != s.Tokens {
		return fmt.Errorf("%w: the last document ends at token %d of %d", ErrFormat, last, s.Tokens)
	}
	return nil
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// End is the place behind the last token of document i (0 to Documents-1).
func (s *Shard) End(i int64) int64 {
	at := headerSize + s.indexAt() + 8*i
	return int64(binary.LittleEndian.Uint64(s.file[at:]))
}

// Document is the range of tokens of document i (0 to Documents-1).
func (s *Shard) Document(i int64) (from, to int64) {
	if i > 0 {
		from = s.End(i - 1)
	}
	return from, s.End(i)
}

// Short is the tokens of a shard of 2 bytes a token, nil for 4. The memory is
// the file's: it must not be written to, or used after Close.
func (s *Shard) Short() []uint16 { return s.short }

// Long is the tokens of a shard of 4 bytes a token, nil for 2; see Short.
func (s *Shard) Long() []uint32 { return s.long }

// Read fills dst with the tokens from position at on.
func (s *Shard) Read(dst []int32, at int64) {
	if s.Width == 2 {
		for i, t := range s.short[at : at+int64(len(dst))] {
			dst[i] = int32(t)
		}
		return
	}
	for i, t := range s.long[at : at+int64(len(dst))] {
		dst[i] = int32(t)
	}
}

// Close ends the mapping.
func (s *Shard) Close() error {
	s.short, s.long, s.file = nil, nil, nil
	return s.close()
}

// IsShard says whether a file begins as a shard does. A pipe or device is none, and is
// not opened: that might wait for ever.
func IsShard(path string) bool {
	f, err := regular.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [len(Magic)]byte
	n, _ := f.Read(magic[:]) // too short a file is no shard
	return string(magic[:n]) == Magic
}
