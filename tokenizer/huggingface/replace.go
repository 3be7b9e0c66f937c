package huggingface

import (
	"fmt"

	"mobilellm/tokenizer/internal/pattern"
)

// finder finds what is replaced or cut out.
type finder interface {
	All(text []byte, yield func(start, end int))
}

// find makes a finder of the pattern of a Split or Replace.
func (p *Pattern) find() (finder, error) {
	switch {
	case p == nil || p.Regex == nil && p.String == nil:
		return nil, fmt.Errorf("%w: without a pattern", ErrKind)
	case p.Regex == nil:
		return pattern.Literal(*p.String), nil
	}
	f, err := pattern.Compile(*p.Regex)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKind, err)
	}
	return f, nil
}

// shortest is how many bytes a match has at least; only 0 or more counts for an
// expression.
func (p *Pattern) shortest() int {
	if p.Regex == nil {
		return len(*p.String)
	}
	if pattern.MayBeEmpty(*p.Regex) {
		return 0
	}
	return 1
}

// replacement puts content, as it is, in the place of every match.
type replacement struct {
	find    finder
	content string
}

func newReplacement(s *Stage) (replacement, error) {
	f, err := s.Pattern.find()
	if err == nil && s.Content == nil {
		err = fmt.Errorf("%w: without content", ErrKind)
	}
	if err != nil {
		return replacement{}, err
	}
	return replacement{f, *s.Content}, nil
}

// apply returns the text, itself where there is no match, and the first match, -1 for
// none. In an empty text nothing matches.
func (r replacement) apply(text []byte) (out []byte, start, end int) {
	if len(text) == 0 {
		return text, -1, -1
	}
	start, end = -1, -1
	from := 0
	r.find.All(text, func(s, e int) {
		if start < 0 {
			start, end = s, e
		}
		out = append(out, text[from:s]...)
		out = append(out, r.content...)
		from = e
	})
	if start < 0 {
		return text, -1, -1
	}
	return append(out, text[from:]...), start, end
}

// growth is how many times as long a text can become, rounded up.
func (s *Stage) growth() int {
	content, shortest := len(*s.Content), s.Pattern.shortest()
	if shortest == 0 {
		return 1 + content
	}
	return max(1, (content+shortest-1)/shortest)
}
