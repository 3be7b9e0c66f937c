package eval

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"mobilellm/infer"
	"mobilellm/tokenizer"
)

// generated is how many tokens are drawn for a Generation item at most
// (lm-evaluation-harness' max_gen_toks).
const generated = 256

// encoder makes tokens of requests as lm-evaluation-harness 0.4.13 does (api/model.py,
// _encode_pair; models/huggingface.py, tok_encode).
type encoder struct {
	tok     *tokenizer.Tokenizer
	context int   // most tokens of a sequence
	prefix  int32 // what stands for an empty context: BOS, else EOS; tokenizer.None
	begins  string
}

func newEncoder(m *infer.Model) encoder {
	special := m.Tokenizer.Special()
	e := encoder{tok: m.Tokenizer, context: m.Context(), prefix: special.BOS}
	if e.prefix == tokenizer.None && len(special.EOS) > 0 {
		e.prefix = special.EOS[0]
	}
	if v, err := m.Tokenizer.Vocabulary(); err == nil && e.prefix != tokenizer.None {
		e.begins = v.Tokens[e.prefix].Text
	}
	return e
}

// encode is the ids of a text, with the token that opens one where the tokenizer puts it,
// but once. Texts of special tokens become those.
func (e encoder) encode(text string) []int32 {
	if e.begins != "" && strings.HasPrefix(text, e.begins) {
		return e.tok.Encode([]byte(text))
	}
	return append(e.tok.Opening(), e.tok.Encode([]byte(text))...)
}

// pair is the ids of a context and of its continuation: white space that ends the
// context goes to the continuation, which is tokenised in its place.
func (e encoder) pair(context, continuation string) (before, after []int32, err error) {
	if context == "" {
		return e.alone(continuation)
	}
	cut := strings.TrimRightFunc(context, space)
	before = e.encode(cut)
	whole := e.encode(context + continuation)
	if len(before) == 0 { // of white space only
		return e.alone(context + continuation)
	}
	return before, whole[min(len(before), len(whole)):], nil
}

// alone is a continuation of nothing: the token that begins texts stands before it.
func (e encoder) alone(continuation string) (before, after []int32, err error) {
	after = e.tok.Encode([]byte(continuation))
	if len(after) > 0 && after[0] == e.prefix {
		return after[:1], after[1:], nil
	}
	if e.prefix == tokenizer.None {
		return nil, nil, errors.New("the context is empty, and the tokenizer has neither a BOS nor an EOS token to stand for it")
	}
	return []int32{e.prefix}, after, nil
}

// space is Python's str.isspace.
func space(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// request is the sequence of a context and its continuation, which keeps the last tokens
// where they are more than the model's context, and how many examples and tokens fell
// away: examples fall away whole, the first first.
func (e encoder) request(examples []string, context, continuation string) (s *sequence, dropped int, err error) {
	var before, after []int32
	dropped = e.drop(examples, func(shots string) bool {
		before, after, err = e.pair(shots+context, continuation)
		return err != nil || len(before)+len(after) <= e.context+1
	})
	switch {
	case err != nil:
		return nil, 0, err
	case len(after) == 0:
		return nil, 0, fmt.Errorf("the continuation %q has no tokens", continuation)
	case len(after) > e.context:
		return nil, 0, fmt.Errorf("the continuation %.40q… has %d tokens, the model's context %d", continuation, len(after), e.context)
	}
	cut := max(0, len(before)+len(after)-e.context-1)
	return newSequence(append(before[cut:len(before):len(before)], after...), len(before)-cut, cut), dropped, nil
}

// prompt is the ids of a text to go on from, which leave room for what is generated.
func (e encoder) prompt(examples []string, context string) (ids []int32, dropped, cut int, err error) {
	room := e.context - generated
	if room < 1 {
		return nil, 0, 0, fmt.Errorf("the model's context of %d tokens leaves none before the %d that are generated", e.context, generated)
	}
	dropped = e.drop(examples, func(shots string) bool {
		ids = e.encode(shots + context)
		return len(ids) <= room
	})
	if len(ids) == 0 {
		if e.prefix == tokenizer.None {
			return nil, 0, 0, errors.New("the prompt is empty, and the tokenizer has neither a BOS nor an EOS token to begin with")
		}
		ids = []int32{e.prefix}
	}
	cut = max(0, len(ids)-room)
	return ids[cut:], dropped, cut, nil
}

// drop is how many of the examples, from the first on, fall away until those that are
// left fit. It calls fits for these last.
func (e encoder) drop(examples []string, fits func(string) bool) int {
	fit := func(n int) bool { return fits(strings.Join(examples[n:], "")) }
	if len(examples) == 0 || fit(0) {
		if len(examples) == 0 {
			fits("")
		}
		return 0
	}
	n := 1 + sort.Search(len(examples)-1, func(i int) bool { return fit(1 + i) })
	fit(n)
	return n
}

// rolling are the windows of a text in each of which all tokens are scored but the first,
// so that every token of the text is scored once (lm-evaluation-harness' utils.py,
// get_rolling_token_windows with a context of one token, make_disjoint_window). What opens
// a text, if the tokenizer puts it there, is scored too.
func (e encoder) rolling(text string) ([]*sequence, error) {
	ids := e.encode(text)
	if len(ids) == 0 {
		return nil, errors.New("the text has no tokens")
	}
	if e.prefix == tokenizer.None {
		return nil, errors.New("the tokenizer has neither a BOS nor an EOS token to put before the text")
	}
	first := min(e.context, len(ids))
	windows := []*sequence{newSequence(append([]int32{e.prefix}, ids[:first]...), 1, 0)}
	for at := first; at < len(ids); {
		n := min(len(ids)-at, e.context)
		// The last window has what is before it, as far as the context goes.
		begin := at + n - e.context - 1
		windows = append(windows, newSequence(ids[begin:at+n], at-begin, 0))
		at += n
	}
	return windows, nil
}

// officialWindow is the length of the windows of MobileLLM's eval.py.
const officialWindow = 2048

// official are the windows of MobileLLM's eval.py: of 2048 tokens, or the model's context
// if it has less; what is left at the end is dropped. All tokens of one are scored but
// the first.
func (e encoder) official(text string) ([]*sequence, error) {
	ids, n := e.encode(text), min(e.context, officialWindow)
	if len(ids) < n || n < 2 {
		return nil, fmt.Errorf("the text has %d tokens, which are less than a window of %d", len(ids), n)
	}
	var windows []*sequence
	for window := range slices.Chunk(ids, n) {
		if len(window) == n {
			windows = append(windows, newSequence(window, 1, 0))
		}
	}
	return windows, nil
}
