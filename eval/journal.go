package eval

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"mobilellm/internal/filelock"
	"mobilellm/internal/regular"
)

// Journal is a file of answers: its first line is a [Head], each further one a [Line], as
// they come. An evaluation that was interrupted goes on with it where it was, by the same
// protocols or others. A line that was cut off is taken away.
type Journal struct {
	path    string
	file    *os.File
	lock    *filelock.Lock
	lines   map[place]string // the hashes of the questions
	answers answers
}

// place is that of an item.
type place struct {
	protocol Protocol
	task     string
	item     int
}

// OpenJournal opens the file at path, or makes it. One whose head has another model or
// another way to compute it is an error.
func OpenJournal(path string, head Head) (_ *Journal, err error) {
	j := &Journal{path: path, lines: map[place]string{}, answers: answers{}}
	if j.lock, err = filelock.Hold(filelock.Beside(path), path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.Close())
		}
	}()
	raw, err := regular.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	whole := bytes.LastIndexByte(raw, '\n') + 1
	if err := j.read(raw[:whole], raw[whole:], head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o666); err != nil {
		return nil, err
	}
	if err := j.file.Truncate(int64(whole)); err != nil {
		return nil, err
	}
	if _, err := j.file.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	if whole == 0 {
		return j, j.write(head)
	}
	return j, nil
}

// read takes the whole lines of a file. What comes after them was cut off.
func (j *Journal) read(raw, rest []byte, head Head) error {
	if len(raw) == 0 {
		first, err := encoded(head)
		if err == nil && !bytes.HasPrefix(first, rest) {
			err = errNoAnswers
		}
		return err
	}
	was, lines, err := parseAnswers(raw)
	if err != nil {
		return err
	}
	if difference := was.differsFrom(head); difference != "" {
		return fmt.Errorf("its answers were made otherwise: %s\nhint: name another file", difference)
	}
	for _, l := range lines {
		j.keep(l)
	}
	return nil
}

func (j *Journal) keep(l Line) {
	j.lines[place{l.Protocol, l.Task, l.Item}] = l.Hash
	j.answers[l.Hash] = l.answer()
	if l.Plain == "" {
		return
	}
	plain := l.answer()
	for i := range plain.Scores {
		plain.Scores[i].Prior = 0
	}
	j.answers[l.Plain] = plain
}

// Close closes the file.
func (j *Journal) Close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.Remove())
}

// Answers is how many the journal has.
func (j *Journal) Answers() int { return len(j.lines) }

// known are the answers of the journal.
func (j *Journal) known() answers {
	if j == nil {
		return answers{}
	}
	return maps.Clone(j.answers)
}

// add keeps the answer to the i-th item of a sample, unless it is there.
func (j *Journal) add(s Sample, i int, a Answer) error {
	if j == nil {
		return nil
	}
	l := s.line(i, a)
	if j.lines[place{l.Protocol, l.Task, l.Item}] == l.Hash {
		return nil
	}
	j.keep(l)
	return j.write(l)
}

// write appends a line at once, so that only the last one can be cut off.
func (j *Journal) write(v any) error {
	raw, err := encoded(v)
	if err == nil {
		_, err = j.file.Write(raw)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return nil
}

// encoded is a line.
func encoded(v any) ([]byte, error) {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return raw.Bytes(), err
}

// hashOf tells questions apart.
func hashOf(item Item) string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(item); err != nil {
		panic("eval: an item is no JSON: " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
