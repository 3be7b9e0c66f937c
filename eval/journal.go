package eval

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"mobilellm/internal/filelock"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// Head is what answers depend on besides the question: those of one head can be used for
// another evaluation with the same.
type Head struct {
	Model     string   `json:"model"` // checksum of its weights
	Protocol  Protocol `json:"protocol"`
	Precision string   `json:"precision"`
	KVType    string   `json:"kv_type"`
	Context   int      `json:"context"`
}

// Journal is a file of answers: its first line is the head, each further one an answer,
// as they come. An evaluation that was interrupted goes on with it where it was. A line
// that was cut off is taken away.
type Journal struct {
	path    string
	file    *os.File
	lock    *filelock.Lock
	answers map[place]line
}

// place is that of an item.
type place struct {
	task string
	item int
}

// line is an answer as it is written.
type line struct {
	Task     string        `json:"task"`
	Item     int           `json:"item"` // in the task's file, from 0
	ID       string        `json:"id"`
	Hash     string        `json:"hash"` // of the question
	Gold     int           `json:"gold"`
	Requests []lineRequest `json:"requests"`
	Text     string        `json:"text,omitempty"`
	Dropped  int           `json:"dropped_examples,omitempty"`
	// Values are the measures of the item that have one.
	Values map[string]jsonfloat.Float `json:"values,omitempty"`
}

type lineRequest struct {
	LogProb jsonfloat.Float `json:"loglikelihood"`
	Prior   jsonfloat.Float `json:"prior_loglikelihood,omitempty"`
	Tokens  int             `json:"tokens"`
	Greedy  bool            `json:"is_greedy"`
	Cut     int             `json:"cut_tokens,omitempty"`
}

// OpenJournal opens the file at path, or makes it. One of another head is an error.
func OpenJournal(path string, head Head) (_ *Journal, err error) {
	j := &Journal{path: path, answers: map[place]line{}}
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
	if err := j.read(raw[:whole], head); err != nil {
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

func (j *Journal) read(raw []byte, head Head) error {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			var was Head
			if err := strictly(lines.Bytes(), &was); err != nil {
				return fmt.Errorf("is no file of answers: %w", err)
			}
			if was != head {
				return fmt.Errorf("has answers of another model or in another way (%+v), this is %+v\nhint: name another file", was, head)
			}
			continue
		}
		var l line
		if err := strictly(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("line %d is no answer: %w", n, err)
		}
		j.answers[place{l.Task, l.Item}] = l
	}
	return lines.Err()
}

func strictly(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(v)
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
func (j *Journal) Answers() int { return len(j.answers) }

// find is the answer to a question that is as it was.
func (j *Journal) find(task string, i int, item Item) (Answer, bool) {
	if j == nil {
		return Answer{}, false
	}
	l, ok := j.answers[place{task, i}]
	if !ok || l.Hash != hashOf(item) {
		return Answer{}, false
	}
	a := Answer{Text: l.Text, Dropped: l.Dropped}
	for _, r := range l.Requests {
		a.Scores = append(a.Scores, Score{LogProb: float64(r.LogProb), Prior: float64(r.Prior), Tokens: r.Tokens, Greedy: r.Greedy, Cut: r.Cut})
	}
	return a, true
}

// add keeps an answer.
func (j *Journal) add(task string, i int, item Item, a Answer, measures []Measure) error {
	if j == nil {
		return nil
	}
	l := line{Task: task, Item: i, ID: item.ID, Hash: hashOf(item), Gold: item.Gold, Text: a.Text, Dropped: a.Dropped, Values: map[string]jsonfloat.Float{}}
	for _, s := range a.Scores {
		l.Requests = append(l.Requests, lineRequest{jsonfloat.Float(s.LogProb), jsonfloat.Float(s.Prior), s.Tokens, s.Greedy, s.Cut})
	}
	for _, m := range measures {
		if m.Item != nil {
			l.Values[m.Name] = jsonfloat.Float(m.Item(item, a))
		}
	}
	j.answers[place{task, i}] = l
	return j.write(l)
}

// write appends a line at once, so that only the last one can be cut off.
func (j *Journal) write(v any) error {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	if err == nil {
		_, err = j.file.Write(raw.Bytes())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return nil
}

// hashOf tells questions apart.
func hashOf(item Item) string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(item); err != nil {
		panic("eval: an item is no JSON: " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
