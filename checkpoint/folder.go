package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/regular"
	"mobilellm/internal/slowed"
)

// castagnoli is the CRC that processors compute by themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// folder is a folder being filled, every file of which reaches the disk.
type folder struct {
	path string
	sums map[string]FileSum // of the files so far, by slash-separated path
}

// write creates a file, lets fill write it, and syncs it. The checksum is taken
// as the bytes pass.
func (d *folder) write(name string, fill func(io.Writer) error) (err error) {
	path := filepath.Join(d.path, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w := &summer{w: f}
	if err := fill(w); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.sums[name] = w.sum()
	slowed.Wait()
	return f.Sync()
}

func (d *folder) writeBytes(name string, raw []byte) error {
	return d.write(name, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// adopt syncs and sums up the files that others have put into the folder.
func (d *folder) adopt() error {
	return filepath.WalkDir(d.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return syncPath(path)
		}
		relative, err := filepath.Rel(d.path, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		if _, ours := d.sums[name]; ours {
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s: not a regular file", path)
		}
		if d.sums[name], err = sumFile(path); err != nil {
			return err
		}
		return syncPath(path)
	})
}

// summer counts and sums up what is written through it.
type summer struct {
	w     io.Writer
	bytes int64
	crc   uint32
}

func (s *summer) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.bytes += int64(n)
	s.crc = crc32.Update(s.crc, castagnoli, p[:n])
	return n, err
}

func (s *summer) sum() FileSum {
	return FileSum{Bytes: s.bytes, CRC32C: fmt.Sprintf("%08x", s.crc)}
}

func sumFile(path string) (FileSum, error) {
	f, err := regular.Open(path)
	if err != nil {
		return FileSum{}, err
	}
	defer f.Close()
	s := &summer{w: io.Discard}
	// Hidden from io.Copy, or Discard would read in pieces of its own size. 256 KiB stay in
	// a core's cache between the read and the sum.
	if _, err := io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{f}, make([]byte, 1<<18)); err != nil {
		return FileSum{}, fmt.Errorf("%s: %w", path, err)
	}
	return s.sum(), nil
}

// syncPath flushes a file's contents, or a folder's entries, to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
