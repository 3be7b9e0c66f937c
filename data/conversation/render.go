package conversation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/chat"
)

// Range is a part of a sample's ids, [From, To).
type Range struct{ From, To int }

// Sample is a conversation as a model reads it.
type Sample struct {
	Text  string // as the template made it
	IDs   []int32
	Learn []Range // ids that are supervised, in order and apart
	// Ends are the tokens with which turns of the assistant end, [tokenizer.None] for one
	// that ends with a token of its words.
	Ends []int32
}

// Supervised is the number of ids that are learned.
func (s *Sample) Supervised() (n int) {
	for _, r := range s.Learn {
		n += r.To - r.From
	}
	return n
}

// cut shortens a sample to so many ids and returns how many of those that were learned
// are gone.
func (s *Sample) cut(size int) (lost int) {
	before := s.Supervised()
	s.IDs = s.IDs[:size]
	kept := s.Learn[:0]
	for _, r := range s.Learn {
		if r.To = min(r.To, size); r.From < r.To {
			kept = append(kept, r)
		}
	}
	s.Learn = kept
	return before - s.Supervised()
}

// Truncate cuts a sample that is longer to so many ids. It returns the ids that are gone,
// and those of them that were learned.
func (s *Sample) Truncate(size int) (ids, learned int) {
	if ids = len(s.IDs) - size; ids <= 0 {
		return 0, 0
	}
	return ids, s.cut(size)
}

// Renderer makes samples by a tokenizer and a chat template. It is safe for concurrent
// use.
type Renderer struct {
	tok          *tokenizer.Tokenizer
	parseSpecial bool // of plain pairs
	bos, eos     string
	source       string
	plain, tools *dialect // for conversations without and with tools; nil without template
}

// dialect is a chat template.
type dialect struct {
	*chat.Template
	marked bool // it has generation blocks
}

// generation is the tag of a block that the assistant is to learn.
var generation = regexp.MustCompile(`\{%[-+]?\s*generation\b`)

func newDialect(source string) (*dialect, error) {
	t, err := chat.Parse(source)
	if err != nil {
		return nil, err
	}
	return &dialect{t, generation.MatchString(source)}, nil
}

// NewRenderer makes one for a tokenizer and a template's Jinja source; empty is that of
// the tokenizer, which may have another for conversations with tools. parseSpecial makes
// tokens of the texts of special tokens in plain pairs; templates write such texts, so
// that they always are tokens there, as in transformers. A tokenizer without a template
// serves pairs.
func NewRenderer(tok *tokenizer.Tokenizer, source string, parseSpecial bool) (*Renderer, error) {
	r := &Renderer{tok: tok, parseSpecial: parseSpecial, source: source}
	r.bos, r.eos = tok.TemplateTokens()
	with := source
	if source == "" {
		all := tok.ChatTemplates()
		r.source = all[tokenizer.DefaultTemplate]
		if with = all[tokenizer.ToolTemplate]; with == "" {
			with = r.source
		}
	}
	var err error
	if r.source != "" {
		if r.plain, err = newDialect(r.source); err != nil {
			return nil, err
		}
		r.tools = r.plain
	}
	if with != r.source {
		if r.tools, err = newDialect(with); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Marked says whether the template has generation blocks.
func (r *Renderer) Marked() bool { return r.plain != nil && r.plain.marked }

// marker is how templates write markers of turns.
var marker = regexp.MustCompile(`<\|[A-Za-z0-9_]+\|>`)

// SplitMarkers are the markers of turns, such as <|im_start|>, that stand in the
// template's source and that the tokenizer has no single tokens for.
func (r *Renderer) SplitMarkers() (list []string) {
	seen := map[string]bool{}
	for _, m := range marker.FindAllString(r.source, -1) {
		if !seen[m] && len(r.tok.Encode([]byte(m))) > 1 {
			list = append(list, m)
		}
		seen[m] = true
	}
	return list
}

// day is that of strftime_now: samples do not depend on when they are made.
var day = time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC)

func (r *Renderer) dialect(c *Conversation) *dialect {
	if len(c.Tools) > 0 {
		return r.tools
	}
	return r.plain
}

func (r *Renderer) input(c *Conversation, turns int, prompt bool) chat.Input {
	return chat.Input{Messages: c.Messages[:turns], Tools: c.Tools, AddGenerationPrompt: prompt, BOS: r.bos, EOS: r.eos, Now: day}
}

// Render makes a sample. Errors, but ctx's, are of the conversation: a template that
// fails on it, with the turn; one that renders its turns so that nobody can tell what
// the assistant says. A sample may have nothing that is supervised.
func (r *Renderer) Render(ctx context.Context, c *Conversation) (*Sample, error) {
	if c.Pair != nil {
		return r.pair(c.Pair)
	}
	d := r.dialect(c)
	if d == nil {
		return nil, chat.ErrNone
	}
	text, spans, err := d.RenderSpans(ctx, r.input(c, len(c.Messages), false))
	if err != nil {
		return nil, r.failed(ctx, d, c, err)
	}
	if !d.marked {
		if spans, err = r.between(ctx, d, c, text); err != nil {
			return nil, err
		}
	} else if c.First > 0 {
		if spans, err = r.behind(ctx, d, c, text, spans); err != nil {
			return nil, err
		}
	}
	s := &Sample{Text: text, IDs: r.tok.Encode([]byte(text))}
	err = r.place(s, spans, !d.marked)
	s.leaveFirst()
	return s, err
}

// leaveFirst leaves the first id out of what is learned: nothing stands before it.
func (s *Sample) leaveFirst() {
	if len(s.Learn) > 0 && s.Learn[0].From == 0 {
		s.Learn[0].From = 1
		if s.Learn[0].To == 1 {
			s.Learn = s.Learn[1:]
		}
	}
}

// failed names the turn at which a template fails: the first from which on it does.
func (r *Renderer) failed(ctx context.Context, d *dialect, c *Conversation, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	at := len(c.Messages)
	for at > 1 {
		if _, err := d.Render(ctx, r.input(c, at-1, false)); err == nil {
			break
		}
		at--
	}
	return fmt.Errorf("%s: %w", turn(at-1, c.Messages[at-1]), cause)
}

// before renders what stands before a turn, empty for the first one of a template that
// wants one turn at least.
func (r *Renderer) before(ctx context.Context, d *dialect, c *Conversation, turns int, prompt bool) (string, error) {
	text, err := d.Render(ctx, r.input(c, turns, prompt))
	if err != nil && turns == 0 && ctx.Err() == nil {
		return "", nil
	}
	return text, err
}

// between finds the assistant's turns of a conversation by rendering it without and with
// each: in a text that begins with both, the turn is what the second has more.
func (r *Renderer) between(ctx context.Context, d *dialect, c *Conversation, text string) (spans []chat.Span, err error) {
	for i := c.First; i < len(c.Messages); i++ {
		if c.Messages[i].Role != assistant {
			continue
		}
		var without, opened, with string
		if without, err = r.before(ctx, d, c, i, false); err == nil {
			opened, err = r.before(ctx, d, c, i, true)
		}
		if err == nil {
			with, err = d.Render(ctx, r.input(c, i+1, false))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", turn(i, c.Messages[i]), err)
		}
		start := common(opened, text)
		if start < len(without) || !strings.HasPrefix(text, without) || !strings.HasPrefix(text, with) || len(with) <= start {
			return nil, fmt.Errorf("%s: the chat template, which has no {%% generation %%} blocks, renders the turn otherwise when others follow: what the assistant says cannot be told from it\nhint: put {%% generation %%} and {%% endgeneration %%} around what it says in the template", turn(i, c.Messages[i]))
		}
		spans = append(spans, chat.Span{Start: start, End: len(with)})
	}
	return spans, nil
}

// common is the length of the beginning that two texts have in common, at a character.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(b) && b[n]&0xc0 == 0x80 {
		n--
	}
	return n
}

// behind are the spans of turns that are not given.
func (r *Renderer) behind(ctx context.Context, d *dialect, c *Conversation, text string, spans []chat.Span) ([]chat.Span, error) {
	given, err := r.before(ctx, d, c, c.First, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", turn(c.First-1, c.Messages[c.First-1]), err)
	}
	from := common(given, text)
	for len(spans) > 0 && spans[0].End <= from {
		spans = spans[1:]
	}
	return spans, nil
}

// pair makes a sample of a prompt and its completion, which EOS ends.
func (r *Renderer) pair(p *Pair) (*Sample, error) {
	end, ok := r.tok.Special().End()
	if !ok {
		return nil, errors.New("the tokenizer has no EOS to end a completion with")
	}
	text := p.Prompt + p.Completion
	encode := r.tok.EncodeOrdinary
	if r.parseSpecial {
		encode = r.tok.Encode
	}
	s := &Sample{Text: text, IDs: encode([]byte(text))}
	if err := r.place(s, []chat.Span{{Start: len(p.Prompt), End: len(text)}}, false); err != nil {
		return nil, err
	}
	before := len(r.tok.Opening())
	s.IDs = append(append(r.tok.Opening(), s.IDs...), end)
	for i := range s.Learn {
		s.Learn[i].From += before
		s.Learn[i].To = len(s.IDs)
	}
	s.Ends = []int32{end}
	s.leaveFirst()
	return s, nil
}

// place finds the ids of spans of a sample's text. trailing leaves out blanks behind the
// last control token of a span, with which a template goes on to the next turn.
func (r *Renderer) place(s *Sample, spans []chat.Span, trailing bool) error {
	if len(spans) == 0 {
		return nil
	}
	text := []byte(s.Text)
	starts, changed := r.tok.Align(text, s.IDs)
	for _, span := range spans {
		var ids Range
		if changed == nil {
			ids = covering(starts, span)
		} else {
			var ok bool
			if ids, ok = r.byPrefixes(s.IDs, text, span); !ok {
				return fmt.Errorf("what the assistant says cannot be found among the ids: %w", changed)
			}
		}
		if trailing {
			ids.To = r.trimmed(s.IDs, ids)
		}
		if ids.From >= ids.To {
			continue
		}
		end := s.IDs[ids.To-1]
		if !r.tok.IsControl(end) {
			end = tokenizer.None
		}
		s.Ends = append(s.Ends, end)
		if n := len(s.Learn); n > 0 && s.Learn[n-1].To >= ids.From {
			s.Learn[n-1].To = ids.To
			continue
		}
		s.Learn = append(s.Learn, ids)
	}
	return nil
}

// covering are the ids from the one with the span's first byte to the one with its last,
// as transformers' char_to_token finds them.
func covering(starts []int, span chat.Span) (ids Range) {
	if span.Start >= span.End {
		return ids
	}
	n := len(starts) - 1
	for ids.From < n && starts[ids.From+1] <= span.Start && (starts[ids.From] < starts[ids.From+1] || starts[ids.From] < span.Start) {
		ids.From++
	}
	for ids.To = ids.From; ids.To < n && starts[ids.To] < span.End; {
		ids.To++
	}
	return ids
}

// byPrefixes finds the ids of a span of a text that the tokenizer has changed: those of
// the text up to its ends must be the beginning of those of the whole.
func (r *Renderer) byPrefixes(ids []int32, text []byte, span chat.Span) (Range, bool) {
	var found [2]int
	for i, at := range []int{span.Start, span.End} {
		prefix := r.tok.Encode(text[:at])
		if len(prefix) > len(ids) {
			return Range{}, false
		}
		for j, id := range prefix {
			if ids[j] != id {
				return Range{}, false
			}
		}
		found[i] = len(prefix)
	}
	return Range{found[0], found[1]}, true
}

// trimmed is where a range ends without blanks behind its last control token.
func (r *Renderer) trimmed(ids []int32, in Range) int {
	for to := in.To; to > in.From; to-- {
		if r.tok.IsControl(ids[to-1]) {
			return to
		}
		if len(bytes.TrimSpace(r.tok.Token(ids[to-1]))) > 0 {
			break
		}
	}
	return in.To
}

// Ending is the text with which the template ends a turn of the assistant, and how many
// tokens the tokenizer makes of it.
func (r *Renderer) Ending(c *Conversation, s *Sample) (text string, tokens int) {
	for i := len(c.Messages) - 1; i >= 0; i-- {
		said := strings.TrimSpace(c.Messages[i].Content)
		if c.Messages[i].Role != assistant || said == "" {
			continue
		}
		if at := strings.LastIndex(s.Text, said); at >= 0 {
			text = strings.TrimSpace(s.Text[at+len(said):])
			break
		}
	}
	return text, len(r.tok.Encode([]byte(text)))
}
