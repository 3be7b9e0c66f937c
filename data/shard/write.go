package shard

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"mobilellm/internal/atomicfile"
)

// Writer writes one shard. Its documents' index, 8 bytes a document, stays in
// memory until the end.
type Writer struct {
	path  string
	file  *atomicfile.File
	out   *bufio.Writer
	info  Info
	ends  []int64
	open  int64 // tokens of the document begun
	block []byte
}

// Create begins a shard, which is there once it is whole.
func Create(path string, meta Meta) (*Writer, error) {
	if err := meta.check(); err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	file, err := atomicfile.Create(path)
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	w := &Writer{path: path, file: file, out: bufio.NewWriterSize(file, 1<<18), info: Info{Meta: meta}}
	if _, err := w.out.Write(make([]byte, headerSize)); err != nil {
		file.Abort()
		return nil, fmt.Errorf("shard: %w", err)
	}
	return w, nil
}

// Tokens is the number of tokens of whole documents so far.
func (w *Writer) Tokens() int64 { return w.info.Tokens }

// Documents is the number of whole documents so far.
func (w *Writer) Documents() int64 { return int64(len(w.ends)) }

// Append adds tokens to the document begun. An id outside the vocabulary is an
// error.
func (w *Writer) Append(ids []int32) error {
	if i := Outside(ids, w.info.Vocab); i >= 0 {
		return fmt.Errorf("shard %s: id %d is outside the vocabulary of %d", w.path, ids[i], w.info.Vocab)
	}
	w.block = w.block[:0]
	for _, id := range ids {
		if w.info.Width == 2 {
			w.block = binary.LittleEndian.AppendUint16(w.block, uint16(id))
		} else {
			w.block = binary.LittleEndian.AppendUint32(w.block, uint32(id))
		}
	}
	if _, err := w.out.Write(w.block); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	w.open += int64(len(ids))
	return nil
}

// EndDocument ends the document begun, which stands for so many bytes of text.
func (w *Writer) EndDocument(textBytes int64) {
	w.info.Tokens += w.open
	w.info.TextBytes += textBytes
	w.ends = append(w.ends, w.info.Tokens)
	w.open = 0
}

// DropDocument takes back the tokens of the document begun.
func (w *Writer) DropDocument() error {
	if w.open == 0 {
		return nil
	}
	w.open = 0
	at := headerSize + w.info.Tokens*int64(w.info.Width)
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	if err := w.file.Truncate(at); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	if _, err := w.file.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	return nil
}

// Finish writes index, header and checksum, syncs the file and gives it its
// name. A document begun and not ended is dropped.
func (w *Writer) Finish() (Info, error) {
	info, err := w.finish()
	if err != nil {
		w.Abort()
		return info, fmt.Errorf("shard %s: %w", w.path, err)
	}
	return info, nil
}

func (w *Writer) finish() (Info, error) {
	if err := w.DropDocument(); err != nil {
		return w.info, err
	}
	w.info.Documents = int64(len(w.ends))
	padding := w.info.indexAt() - w.info.Tokens*int64(w.info.Width)
	w.out.Write(make([]byte, padding)) // Flush tells of a failure
	var number [8]byte
	for _, end := range w.ends {
		binary.LittleEndian.PutUint64(number[:], uint64(end))
		w.out.Write(number[:])
	}
	if err := w.out.Flush(); err != nil {
		return w.info, err
	}
	header, err := w.info.header()
	if err != nil {
		return w.info, err
	}
	if _, err := w.file.Seek(headerSize, io.SeekStart); err != nil {
		return w.info, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, w.file); err != nil {
		return w.info, err
	}
	sum.Write(header[:sumAt])
	sum.Sum(header[:sumAt])
	w.info.Sum = hex.EncodeToString(header[sumAt:])
	if _, err := w.file.WriteAt(header, 0); err != nil {
		return w.info, err
	}
	return w.info, w.file.Commit()
}

// Abort leaves the shard unfinished and removes what was written.
func (w *Writer) Abort() { w.file.Abort() }
