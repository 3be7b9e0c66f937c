package topk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"mobilellm/internal/atomicfile"
)

// partial ends the name of a file that is being written.
const partial = ".partial"

// Writer writes a file block by block.
type Writer struct {
	meta   Meta
	path   string
	file   *atomicfile.File // nil once the file is whole
	blocks int64
	share  float64 // sum over positions
	buffer []byte
}

// Create begins a file in the folder dir, or goes on with one of equal meta. Of an
// unfinished file the blocks are kept that are whole, down to a multiple of
// group: what is computed together is computed again together. A file of other
// meta is an error that names the difference.
func Create(dir string, meta Meta, group int) (*Writer, error) {
	header, err := meta.header()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("topk: %w", err)
	}
	w := &Writer{meta: meta, path: filepath.Join(dir, Name)}
	f, err := Open(dir)
	if err == nil {
		err = errors.Join(w.whole(f), f.Close())
		return w, err
	}
	if _, found := os.Stat(w.path); found == nil {
		return nil, err // there is one, and it is broken
	}
	begun, err := os.OpenFile(w.path+partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("topk: %w", err)
	}
	w.file = atomicfile.Adopt(begun, w.path)
	if err := w.begin(header, int64(group)); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", w.path+partial, err), w.file.Close())
	}
	return w, nil
}

// whole takes over a finished file.
func (w *Writer) whole(f *File) error {
	if err := w.compare(f.Meta); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	w.blocks = w.meta.Blocks()
	share, err := f.Verify()
	w.share = share * float64(w.meta.Tokens)
	return err
}

// compare names the first setting in which a file differs.
func (w *Writer) compare(was Meta) error {
	for _, f := range []struct {
		what      string
		was, want any
	}{
		{"k", was.K, w.meta.K},
		{"window", was.Seq, w.meta.Seq},
		{"tokenizer", was.Tokenizer, w.meta.Tokenizer},
		{"vocabulary", was.Vocab, w.meta.Vocab},
		{"text's checksum", was.Text, w.meta.Text},
		{"number of positions", was.Tokens, w.meta.Tokens},
		{"teacher's checksum", was.Teacher, w.meta.Teacher},
	} {
		if f.was != f.want {
			return fmt.Errorf("its %s is %v, asked for is %v\nhint: name another folder, or remove the file", f.what, f.was, f.want)
		}
	}
	return nil
}

// begin writes the header, or finds how far an earlier writer came.
func (w *Writer) begin(header []byte, group int64) error {
	old := make([]byte, headerSize)
	n, err := io.ReadFull(w.file, old)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if n == headerSize && !bytes.Equal(old, header) {
		was, err := parseHeader(old)
		if err == nil {
			err = w.compare(was)
		}
		if err == nil {
			err = fmt.Errorf("%w: its header differs", ErrFormat)
		}
		return err
	}
	if n < headerSize {
		if _, err := w.file.WriteAt(header, 0); err != nil {
			return err
		}
	}
	return w.resume(group)
}

func (w *Writer) resume(group int64) error {
	block := make([]byte, w.meta.blockSize())
	var shares []float64
	for n := range w.meta.Blocks() {
		if _, err := w.file.ReadAt(block, w.end(n)); err != nil || !sound(n, block) {
			break
		}
		shares = append(shares, shareOf(block))
	}
	w.blocks = int64(len(shares))
	if w.blocks < w.meta.Blocks() {
		w.blocks -= w.blocks % group
	}
	for n, share := range shares[:w.blocks] {
		w.share += share * float64(w.positions(int64(n)))
	}
	if err := w.file.Truncate(w.end(w.blocks)); err != nil {
		return err
	}
	_, err := w.file.Seek(w.end(w.blocks), io.SeekStart)
	return err
}

// end is where n blocks end.
func (w *Writer) end(n int64) int64 { return headerSize + n*w.meta.blockSize() }

// positions is how many positions of the text block n holds.
func (w *Writer) positions(n int64) int {
	return int(min(int64(w.meta.Seq), w.meta.Tokens-n*int64(w.meta.Seq)))
}

// Meta is what the file says of itself.
func (w *Writer) Meta() Meta { return w.meta }

// Blocks is the number of blocks that are written.
func (w *Writer) Blocks() int64 { return w.blocks }

// Positions is how many positions the next block holds.
func (w *Writer) Positions() int { return w.positions(w.blocks) }

// Share is the mean share of probability that the log-probabilities written so
// far hold.
func (w *Writer) Share() float64 {
	return w.share / float64(max(1, min(w.blocks*int64(w.meta.Seq), w.meta.Tokens)))
}

// Append writes the next block: K ids and log-probabilities for each of its
// [Writer.Positions].
func (w *Writer) Append(ids []int32, logp []float32) error {
	if n := w.Positions() * w.meta.K; len(ids) != n || len(logp) != n {
		return fmt.Errorf("topk: block %d: %d ids and %d log-probabilities, want %d", w.blocks, len(ids), len(logp), n)
	}
	var err error
	if w.buffer, err = w.meta.appendBlock(w.buffer[:0], w.blocks, ids, logp); err != nil {
		return fmt.Errorf("topk: block %d: %w", w.blocks, err)
	}
	if _, err := w.file.Write(w.buffer); err != nil {
		return fmt.Errorf("topk: %w\nhint: what is written is kept; the same command goes on with it", err)
	}
	w.share += shareOf(w.buffer) * float64(w.Positions())
	w.blocks++
	return nil
}

// Finish syncs the file and gives it its name.
func (w *Writer) Finish() error {
	if w.file == nil {
		return nil
	}
	if w.blocks != w.meta.Blocks() {
		return fmt.Errorf("topk: %s has %d blocks of %d", w.path+partial, w.blocks, w.meta.Blocks())
	}
	err := w.file.Commit()
	w.file = nil
	if err != nil {
		return fmt.Errorf("topk: %w", err)
	}
	return nil
}

// Close leaves the file as it is, for a later Create to go on with.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}
