package eval

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// Head is the first line of a file of answers: what they depend on besides the question.
type Head struct {
	Model string `json:"model"` // checksum of its weights
	// Protocol is that of lines that name none, in files of one protocol.
	Protocol  Protocol `json:"protocol,omitempty"`
	Precision string   `json:"precision"`
	KVType    string   `json:"kv_type"`
	Context   int      `json:"context"`
	// Template is a checksum of the chat template that stood in for the model's own.
	Template string `json:"chat_template,omitempty"`
}

// differsFrom says what the head has otherwise than that of an evaluation, whatever the
// protocols.
func (h Head) differsFrom(now Head) string {
	var parts []string
	for _, p := range []struct{ name, was, is string }{
		{"model", fmt.Sprintf("%.12s", h.Model), fmt.Sprintf("%.12s", now.Model)},
		{"precision", h.Precision, now.Precision},
		{"KV cache", h.KVType, now.KVType},
		{"context", fmt.Sprint(h.Context), fmt.Sprint(now.Context)},
		{"chat template", cmp.Or(h.Template, "the model's"), cmp.Or(now.Template, "the model's")},
	} {
		if p.was != p.is {
			parts = append(parts, fmt.Sprintf("%s %s, now %s", p.name, p.was, p.is))
		}
	}
	return strings.Join(parts, "; ")
}

// Line is an answer in such a file, with what it is worth by a protocol.
type Line struct {
	Protocol Protocol `json:"protocol,omitempty"`
	Task     string   `json:"task"`
	Item     int      `json:"item"` // in the task's file, from 0
	ID       string   `json:"id"`
	Hash     string   `json:"hash"` // of the question
	// Plain is the hash of the question without priors, if it has some.
	Plain    string        `json:"hash_without_prior,omitempty"`
	Gold     int           `json:"gold"`
	Requests []LineRequest `json:"requests"`
	Text     string        `json:"text,omitempty"`
	Turns    []Turn        `json:"turns,omitempty"`
	Dropped  int           `json:"dropped_examples,omitempty"`
	// Values are the measures of the item that have one.
	Values map[string]jsonfloat.Float `json:"values,omitempty"`
}

// LineRequest is the [Score] of a continuation.
type LineRequest struct {
	LogProb jsonfloat.Float `json:"loglikelihood"`
	Prior   jsonfloat.Float `json:"prior_loglikelihood,omitempty"`
	Tokens  int             `json:"tokens"`
	Greedy  bool            `json:"is_greedy"`
	Cut     int             `json:"cut_tokens,omitempty"`
}

// ReadAnswers reads a file of answers, as a [Journal] writes it; each line names its
// protocol. Errors name file and line.
func ReadAnswers(path string) (Head, []Line, error) {
	raw, err := regular.ReadFile(path)
	if err != nil {
		return Head{}, nil, err
	}
	whole := bytes.LastIndexByte(raw, '\n') + 1
	head, lines, err := parseAnswers(raw[:whole])
	if err == nil && whole < len(raw) {
		err = fmt.Errorf("line %d is cut short\nhint: let the evaluation end, or begin it again, which goes on with the file", 2+len(lines))
	}
	if err != nil {
		return Head{}, nil, fmt.Errorf("%s: %w", path, err)
	}
	return head, lines, nil
}

var errNoAnswers = errors.New("is no file of answers, which mobilellm-eval --items writes")

func parseAnswers(raw []byte) (head Head, lines []Line, err error) {
	scanner := bufio.NewScanner(bytes.NewReader(raw))
	scanner.Buffer(nil, len(raw)+1)
	if len(raw) == 0 {
		return head, nil, errNoAnswers
	}
	for n := 1; scanner.Scan(); n++ {
		if n == 1 {
			if err := strictly(scanner.Bytes(), &head); err != nil || head.Model == "" {
				return head, nil, errNoAnswers
			}
			continue
		}
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 { // as an editor may leave
			continue
		}
		l := Line{Protocol: head.Protocol}
		if err := strictly(scanner.Bytes(), &l); err != nil {
			return head, nil, fmt.Errorf("line %d is no answer: %w", n, err)
		}
		if l.Protocol == "" || l.Task == "" || l.Hash == "" || l.Item < 0 {
			return head, nil, fmt.Errorf("line %d is no answer: it must name protocol (%q), task (%q), hash (%q) and item (%d)", n, l.Protocol, l.Task, l.Hash, l.Item)
		}
		lines = append(lines, l)
	}
	return head, lines, scanner.Err()
}

func strictly(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// answer is what the model made of the item.
func (l Line) answer() Answer {
	a := Answer{Text: l.Text, Turns: l.Turns, Dropped: l.Dropped}
	for _, r := range l.Requests {
		a.Scores = append(a.Scores, Score{LogProb: float64(r.LogProb), Prior: float64(r.Prior), Tokens: r.Tokens, Greedy: r.Greedy, Cut: r.Cut})
	}
	return a
}

// line is the answer to the i-th item of a sample.
func (s Sample) line(i int, a Answer) Line {
	item := s.Items[i]
	l := Line{
		Protocol: s.Protocol, Task: s.Task.Name, Item: s.Index[i], ID: item.ID, Hash: hashOf(item), Gold: item.Gold,
		Text: a.Text, Turns: a.Turns, Dropped: a.Dropped, Values: map[string]jsonfloat.Float{},
	}
	if p := parts(item); len(p) > 1 {
		l.Plain = hashOf(p[0])
	}
	for _, score := range a.Scores {
		l.Requests = append(l.Requests, LineRequest{jsonfloat.Float(score.LogProb), jsonfloat.Float(score.Prior), score.Tokens, score.Greedy, score.Cut})
	}
	for _, m := range s.Task.Measures(s.Protocol) {
		if m.Item != nil {
			l.Values[m.Name] = jsonfloat.Float(m.Item(item, a))
		}
	}
	return l
}
