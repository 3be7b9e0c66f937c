package topk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/regular"
)

// File is an open file. It is not safe for concurrent use.
type File struct {
	Meta
	Path string

	file  *os.File
	block []byte
	at    int64 // number of the block read, -1 for none
}

// Open opens the file in the folder dir and checks its header and size; each
// block is checked when it is read.
func Open(dir string) (*File, error) {
	path := filepath.Join(dir, Name)
	file, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, partial := os.Stat(path + partial); partial == nil {
			return nil, fmt.Errorf("%s is not finished\nhint: the same mobilellm-data teach goes on with it", path)
		}
		return nil, fmt.Errorf("%s holds no %s: %w\nhint: mobilellm-data teach makes it", dir, Name, err)
	}
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, file: file, at: -1}
	if err := f.parse(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func (f *File) parse() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	header := make([]byte, headerSize)
	n, _ := f.file.ReadAt(header, 0) // too short a file is told by its header
	if f.Meta, err = parseHeader(header[:n]); err != nil {
		return err
	}
	if info.Size() != f.Size() {
		return fmt.Errorf("%w: %d bytes, its header asks for %d: the file is cut short or has been added to", ErrFormat, info.Size(), f.Size())
	}
	f.block = make([]byte, f.blockSize())
	return nil
}

// Top is K, for those who take a file as an interface.
func (f *File) Top() int { return f.K }

// Read fills ids and logp, K numbers a position each, for the positions from at
// on, which must lie in the text. A log-probability is known to half a step of
// 1/2048 nats.
func (f *File) Read(ids []int32, logp []float32, at int64) error {
	if at < 0 || at+int64(len(ids)/f.K) > f.Tokens {
		return fmt.Errorf("%s: positions %d to %d, it has %d", f.Path, at, at+int64(len(ids)/f.K), f.Tokens)
	}
	for len(ids) > 0 {
		if err := f.load(at / int64(f.Seq)); err != nil {
			return err
		}
		row := int(at % int64(f.Seq))
		n := min(f.Seq-row, len(ids)/f.K)
		if err := f.rows(f.block, row, ids[:n*f.K], logp[:n*f.K]); err != nil {
			return fmt.Errorf("%s: block %d: %w", f.Path, f.at, err)
		}
		ids, logp, at = ids[n*f.K:], logp[n*f.K:], at+int64(n)
	}
	return nil
}

// load reads a block and checks it.
func (f *File) load(n int64) error {
	if n == f.at {
		return nil
	}
	f.at = -1
	if _, err := f.file.ReadAt(f.block, headerSize+n*f.blockSize()); err != nil {
		return fmt.Errorf("%s: block %d: %w", f.Path, n, err)
	}
	if !sound(n, f.block) {
		return fmt.Errorf("%s: %w: the checksum of block %d does not fit", f.Path, ErrFormat, n)
	}
	if share := shareOf(f.block); !(share >= 0 && share <= float64(f.K)) {
		return fmt.Errorf("%s: %w: block %d: the %d log-probabilities hold a share of %v", f.Path, ErrFormat, n, f.K, share)
	}
	f.at = n
	return nil
}

// Verify reads every block, with its ids, and returns the mean share of probability
// that the stored log-probabilities hold.
func (f *File) Verify() (share float64, err error) {
	ids, logp := make([]int32, f.entries()), make([]float32, f.entries())
	for n := range f.Blocks() {
		if err := f.load(n); err != nil {
			return 0, err
		}
		if err := f.rows(f.block, 0, ids, logp); err != nil {
			return 0, fmt.Errorf("%s: block %d: %w", f.Path, n, err)
		}
		share += shareOf(f.block) * float64(min(int64(f.Seq), f.Tokens-n*int64(f.Seq)))
	}
	return share / float64(f.Tokens), nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
