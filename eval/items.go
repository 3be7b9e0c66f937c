package eval

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mobilellm/data/ingest"
	"mobilellm/eval/dataset"
)

// Items reads the questions of a file, in its order, as the protocol puts them. What is
// wrong with one is an error that names file, line and item.
func (t Task) Items(ctx context.Context, file string, p Protocol) ([]Item, error) {
	if len(t.Measures(p)) == 0 {
		return nil, fmt.Errorf("task %s has no protocol %q", t.Name, p)
	}
	if t.Given != nil {
		return t.Given, nil
	}
	items, records, err := t.read(ctx, file, p)
	if err == nil && len(items) == 0 {
		err = fmt.Errorf("%s: no items of task %s", ingest.Clean(file), t.Name)
	}
	if err == nil && t.Shots > 0 {
		err = t.addShots(ctx, items, records, file, p)
	}
	return items, err
}

// read also gives what tells records apart that the items were made of.
func (t Task) read(ctx context.Context, file string, p Protocol) (items []Item, records []string, err error) {
	read := t.Read
	if read == nil {
		read = dataset.Objects
	}
	for r, err := range read(file) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, nil, err
		}
		made := t.Questions(r, p)
		if err := r.Err(); err != nil {
			err = fmt.Errorf("%s: item %d: %w", r.Name, len(items), err)
			if len(items) == 0 && r.Missing() {
				err = fmt.Errorf("%w\nhint: is it a file of task %s?", err, t.Name)
			}
			return nil, nil, err
		}
		for i := range made {
			if made[i].ID == "" {
				made[i].ID = strconv.Itoa(len(items))
			}
			if !t.Constrained {
				made[i].Calls = nil
			}
			if err := t.sound(made[i]); err != nil {
				return nil, nil, fmt.Errorf("%s: item %d: %w", r.Name, len(items), err)
			}
			items = append(items, made[i])
			if t.Shots > 0 {
				records = append(records, r.Key())
			}
		}
	}
	return items, records, nil
}

// sound says what is wrong with an item.
func (t Task) sound(item Item) error {
	if t.Kind == Generation {
		for _, answer := range item.Answers {
			if strings.TrimSpace(answer) != "" {
				return nil
			}
		}
		return errors.New("no answer")
	}
	n := len(item.Requests)
	switch {
	case t.Kind == Chat && (len(item.Messages) == 0 || item.Messages[len(item.Messages)-1].Role != "user"):
		return errors.New("the conversation does not end with the user")
	case t.Kind == MultipleChoice && n < 2:
		return fmt.Errorf("choices: %d, want 2 at least", n)
	case t.Kind == MultipleChoice && (item.Gold < 0 || item.Gold >= n):
		return fmt.Errorf("the right choice is number %d, there are %d from 0", item.Gold, n)
	}
	for i, request := range item.Requests {
		if strings.TrimSpace(request.Continuation) != "" {
			continue
		}
		switch t.Kind {
		case MultipleChoice:
			return fmt.Errorf("the continuation of choice %d is empty", i)
		case Rolling:
			return errors.New("the text is empty")
		default:
			return errors.New("the continuation is empty")
		}
	}
	return nil
}
