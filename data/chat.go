package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"mobilellm/data/conversation"
	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
	"mobilellm/tokenizer/chat"
)

// ChatReport counts the conversations of a set.
type ChatReport struct {
	Read, Kept int
	// Bad are those that cannot be read or rendered, Unlearned those in which nothing is
	// supervised; the first of each with what is wrong.
	Bad, Unlearned           int
	FirstBad, FirstUnlearned string
	// Truncated are longer than a sample: what is behind is left out, and of that so many
	// tokens were to be learned.
	Truncated                int
	FirstTruncated           string
	LostTokens, LostLearned  int64
	Unanswered               int // end with a turn that teaches nothing
	Unended                  int // turns that end with no token that ends a text
	FirstUnended             string
	Tokens, Supervised, Rows int64
	Room                     int64         // tokens in all rows
	Ends                     map[int32]int // tokens with which turns end
}

// Notes are the report's sentences for a user.
func (r *ChatReport) Notes() []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, "data: "+fmt.Sprintf(format, args...)) }
	rows := ""
	if r.Rows > 0 {
		rows = fmt.Sprintf("; %d rows are %.0f %% full", r.Rows, 100*float64(r.Tokens)/float64(r.Room))
	}
	add("%d conversations: %d of %d tokens are supervised (%.0f %%)%s", r.Kept, r.Supervised, r.Tokens, 100*float64(r.Supervised)/float64(max(r.Tokens, 1)), rows)
	if r.Bad > 0 {
		add("left out %d of %d conversations, the first is %s", r.Bad, r.Read, r.FirstBad)
	}
	if r.Unlearned > 0 {
		add("left out %d of %d conversations in which nothing is supervised, the first is %s", r.Unlearned, r.Read, r.FirstUnlearned)
	}
	if r.Truncated > 0 {
		add("%d of %d conversations are longer than data.seq: %d tokens are cut off, of them %d supervised; the first is %s", r.Truncated, r.Read, r.LostTokens, r.LostLearned, r.FirstTruncated)
	}
	if r.Unanswered > 0 {
		add("%d conversations end with a turn that nobody answers, which teaches nothing", r.Unanswered)
	}
	if r.Unended > 0 {
		add("%d turns of the assistant end with no token that ends a text, the first is %s", r.Unended, r.FirstUnended)
	}
	return notes
}

// first sets a field that is empty.
func first(to *string, text string) {
	if *to == "" {
		*to = text
	}
}

// rendered is what becomes of a document.
type rendered struct {
	conversation *conversation.Conversation
	sample       *conversation.Sample
	err          error
}

// renderAll renders documents of conversations on all processors.
func renderAll(ctx context.Context, docs []Document, kind conversation.Kind, r *conversation.Renderer) []rendered {
	out := make([]rendered, len(docs))
	var group sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() {
			for i := w; i < len(docs) && ctx.Err() == nil; i += workers {
				o := &out[i]
				if o.conversation, o.err = conversation.Parse(docs[i].Text, kind); o.err == nil {
					o.sample, o.err = r.Render(ctx, o.conversation)
				}
			}
		})
	}
	group.Wait()
	return out
}

// chatBuilder makes corpora of conversations and counts them.
type chatBuilder struct {
	tok    *tokenizer.Tokenizer
	render *conversation.Renderer
	report ChatReport
	read   *ReadReport
	size   int  // tokens of a row
	pack   bool // several conversations a row
}

// ChatSample is a conversation that is learned from, by the name of its record.
type ChatSample struct {
	Name string
	*conversation.Sample
}

// ReadChats renders the conversations of data.train as a run does, by the tokenizer that
// it would begin with.
func ReadChats(ctx context.Context, config Config, tok *tokenizer.Tokenizer) (samples []ChatSample, report ChatReport, _ *tokenizer.Tokenizer, err error) {
	if err := config.Validate(); err != nil {
		return nil, report, nil, err
	}
	if tok, _, err = config.extended(tok, false); err != nil {
		return nil, report, nil, err
	}
	b, err := config.newChatBuilder(tok, new(ReadReport))
	if err != nil {
		return nil, report, nil, err
	}
	for _, s := range config.Train {
		docs, _, err := ReadSources(ctx, []Source{s}, config.readingOf(s, LoadOptions{}))
		if err != nil {
			return nil, report, nil, err
		}
		some, err := b.samples(ctx, s.Path, config.kind(s), docs)
		if err != nil {
			return nil, report, nil, err
		}
		samples = append(samples, some...)
	}
	return samples, b.report, tok, nil
}

// build makes a corpus of the documents of a source: rows of whole conversations. What
// cannot be learned is left out and listed.
func (b *chatBuilder) build(ctx context.Context, path string, kind conversation.Kind, docs []Document) (*TokenCorpus, error) {
	samples, err := b.samples(ctx, path, kind, docs)
	if err != nil {
		return nil, err
	}
	return b.corpus(samples), nil
}

// samples renders the documents of a source and counts what becomes of them.
func (b *chatBuilder) samples(ctx context.Context, path string, kind conversation.Kind, docs []Document) ([]ChatSample, error) {
	all := renderAll(ctx, docs, kind, b.render)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("rendering conversations: %w", err)
	}
	one := ChatReport{Ends: map[int32]int{}}
	var samples []ChatSample
	for i, o := range all {
		if errors.Is(o.err, chat.ErrNone) {
			return nil, fmt.Errorf("data: %s: %w\nhint: --set data.chat_template=alpaca stores it with the model", ingest.Clean(path), o.err)
		}
		if b.keep(&one, docs[i].Name, o) {
			samples = append(samples, ChatSample{docs[i].Name, o.sample})
		}
	}
	b.report.add(one)
	if len(samples) == 0 {
		return nil, one.nothing(path)
	}
	if len(one.Ends) == 0 {
		return nil, b.noEnd(path, all)
	}
	return samples, nil
}

// keep counts a conversation and says whether it is trained on.
func (b *chatBuilder) keep(r *ChatReport, name string, o rendered) bool {
	r.Read++
	clean := ingest.Clean(name)
	if o.err != nil {
		r.Bad++
		first(&r.FirstBad, clean+": "+o.err.Error())
		b.read.Skipped = append(b.read.Skipped, ingest.Skipped{Document: name, Reason: ingest.ReasonUnreadable, Detail: o.err.Error()})
		return false
	}
	s := o.sample
	whole := s.Supervised()
	ids, lost := s.Truncate(b.size)
	if s.Supervised() == 0 {
		why := "nothing in it is supervised"
		if o.conversation.Unanswered() {
			why = "no turn of the assistant is in it"
		}
		if whole > 0 {
			why = fmt.Sprintf("nothing within the first %d of its %d tokens is supervised", b.size, b.size+ids)
		}
		r.Unlearned++
		first(&r.FirstUnlearned, clean+": "+why)
		b.read.Skipped = append(b.read.Skipped, ingest.Skipped{Document: name, Reason: ingest.ReasonUnlearned, Detail: why})
		return false
	}
	r.Kept++
	r.Tokens, r.Supervised = r.Tokens+int64(len(s.IDs)), r.Supervised+int64(s.Supervised())
	if ids > 0 {
		r.Truncated++
		r.LostTokens, r.LostLearned = r.LostTokens+int64(ids), r.LostLearned+int64(lost)
		first(&r.FirstTruncated, fmt.Sprintf("%s of %d tokens", clean, b.size+ids))
	}
	if o.conversation.Unanswered() {
		r.Unanswered++
	}
	for _, end := range s.Ends {
		if end == tokenizer.None {
			r.Unended++
			first(&r.FirstUnended, clean)
			continue
		}
		r.Ends[end]++
	}
	return true
}

// add adds what was counted of another source.
func (r *ChatReport) add(o ChatReport) {
	r.Read, r.Kept, r.Bad, r.Unlearned, r.Truncated = r.Read+o.Read, r.Kept+o.Kept, r.Bad+o.Bad, r.Unlearned+o.Unlearned, r.Truncated+o.Truncated
	r.LostTokens, r.LostLearned, r.Unanswered, r.Unended = r.LostTokens+o.LostTokens, r.LostLearned+o.LostLearned, r.Unanswered+o.Unanswered, r.Unended+o.Unended
	r.Tokens, r.Supervised = r.Tokens+o.Tokens, r.Supervised+o.Supervised
	first(&r.FirstBad, o.FirstBad)
	first(&r.FirstUnlearned, o.FirstUnlearned)
	first(&r.FirstTruncated, o.FirstTruncated)
	first(&r.FirstUnended, o.FirstUnended)
	if r.Ends == nil {
		r.Ends = map[int32]int{}
	}
	for id, n := range o.Ends {
		r.Ends[id] += n
	}
}

// nothing is the error of a source of which no conversation can be learned.
func (r *ChatReport) nothing(path string) error {
	text := fmt.Sprintf("data: %s: none of %d conversations can be learned", ingest.Clean(path), r.Read)
	if r.Bad > 0 {
		text += fmt.Sprintf("; %d cannot be read or rendered, the first is %s", r.Bad, r.FirstBad)
	}
	if r.Unlearned > 0 {
		text += fmt.Sprintf("; in %d nothing is supervised, the first is %s", r.Unlearned, r.FirstUnlearned)
	}
	return errors.New(text)
}

// noEnd is the error of a template whose turns end with no token of their own: what
// learned from it would not stop.
func (b *chatBuilder) noEnd(path string, all []rendered) error {
	hint := "hint: alpaca, llama-2 and vicuna end a turn with EOS: --set data.chat_template=alpaca"
	i := slices.IndexFunc(all, func(o rendered) bool { return o.sample != nil && len(o.sample.Ends) > 0 })
	how := "ends a turn of the assistant with no token that ends a text"
	if end, n := b.render.Ending(all[i].conversation, all[i].sample); end != "" {
		how = fmt.Sprintf("ends a turn of the assistant with %q, which the tokenizer splits into %d tokens", end, n)
	}
	if split := b.render.SplitMarkers(); len(split) > 0 {
		hint = fmt.Sprintf("hint: --set 'data.add_tokens=[%s]' adds them to the tokenizer; %s", strings.Join(split, ", "), strings.TrimPrefix(hint, "hint: "))
	}
	return fmt.Errorf("data: %s: the chat template %s: a model would not learn to stop\n%s", ingest.Clean(path), how, hint)
}

// corpus lays samples out in rows.
func (b *chatBuilder) corpus(samples []ChatSample) *TokenCorpus {
	m := newTokenCorpus(b.tok)
	sizes := make([]int, len(samples))
	for i, s := range samples {
		sizes[i] = len(s.IDs)
		m.textBytes += int64(len(s.Text))
	}
	bins := make([][]int, len(samples))
	for i := range bins {
		bins[i] = []int{i}
	}
	if b.pack {
		bins = fitDecreasing(sizes, b.size)
	}
	var tokens segment
	if b.tok.VocabSize() > 1<<16 {
		tokens.long = []uint32{}
	}
	starts := []int64{0}
	for _, bin := range bins {
		for _, i := range bin {
			at := tokens.len()
			m.docs = append(m.docs, at)
			for _, r := range samples[i].Learn {
				m.learn = append(m.learn, tokenRange{from: at + int64(r.From), to: at + int64(r.To)})
			}
			tokens.append(samples[i].IDs)
		}
		starts = append(starts, tokens.len())
	}
	m.add(tokens)
	m.chats = []chatRows{{0, m.tokens, starts}}
	m.print = tokens.sum("conversations " + b.tok.Fingerprint() + placesSum(starts, m.learn))
	b.report.Rows += int64(len(bins))
	b.report.Room += int64(len(bins)) * int64(b.size)
	return m
}

// placesSum hashes where rows start and what is learned.
func placesSum(starts []int64, learn []tokenRange) string {
	sum := sha256.New()
	var one []byte
	for _, at := range starts {
		one = binary.LittleEndian.AppendUint64(one[:0], uint64(at))
		sum.Write(one)
	}
	for _, r := range learn {
		one = binary.LittleEndian.AppendUint64(one[:0], uint64(r.from))
		one = binary.LittleEndian.AppendUint64(one, uint64(r.to))
		sum.Write(one)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// splitConversations sets about a fraction of the conversations aside, one at least.
func splitConversations(docs []Document, fraction float64, name string) (s Split, err error) {
	order := rankDocuments(docs)
	if len(order) < 2 {
		return s, fmt.Errorf("data: %s has one conversation, and none to hold out\nhint: name held-out conversations in data.heldout", ingest.Clean(name))
	}
	target := heldoutTarget(fraction, TextBytes(docs))
	aside, size := chooseDocuments(docs, order, target, near(target))
	if size == 0 {
		order[0].mark(aside)
	}
	for i, d := range docs {
		if aside[i] {
			s.Heldout = append(s.Heldout, d)
		} else {
			s.Train = append(s.Train, d)
		}
	}
	return s, nil
}

// extended is the tokenizer with the tokens and the template that the configuration names.
// The one of a run that goes on has them.
func (c Config) extended(tok *tokenizer.Tokenizer, resumed bool) (_ *tokenizer.Tokenizer, added []int32, err error) {
	if tok, added, err = c.WithTokens(tok); err != nil || c.ChatTemplate == "" || resumed {
		return tok, added, err
	}
	source, err := c.templateSource()
	if err != nil {
		return nil, nil, err
	}
	return tok.WithChatTemplate(source), added, nil
}

// WithTokens is the tokenizer with the tokens of data.add_tokens; added are the ids of
// those that it lacked, from its size on.
func (c Config) WithTokens(tok *tokenizer.Tokenizer) (_ *tokenizer.Tokenizer, added []int32, err error) {
	if len(c.AddTokens) == 0 {
		return tok, nil, nil
	}
	if tok, added, err = tok.AddTokens(c.AddTokens); err != nil {
		return nil, nil, fmt.Errorf("data.add_tokens: %w", err)
	}
	return tok, added, nil
}

// templateSource is the Jinja source of a named template, or of a file.
func (c Config) templateSource() (string, error) {
	source, err := chat.Source(c.ChatTemplate)
	if err == nil {
		return source, nil
	}
	raw, read := os.ReadFile(c.ChatTemplate)
	if errors.Is(read, os.ErrNotExist) {
		return "", fmt.Errorf("data.chat_template: %w, nor a file of that name", err)
	}
	if read != nil {
		return "", fmt.Errorf("data.chat_template: %w", read)
	}
	return string(raw), nil
}

// newChatBuilder prepares the conversations of a configuration; it renders nothing where
// there are none.
func (c Config) newChatBuilder(tok *tokenizer.Tokenizer, read *ReadReport) (*chatBuilder, error) {
	b := &chatBuilder{tok: tok, read: read, size: c.Seq + 1, pack: c.DocumentMask}
	if !c.Converses() {
		return b, nil
	}
	var err error
	if b.render, err = conversation.NewRenderer(tok, "", c.parses(tok)); err != nil {
		return nil, fmt.Errorf("data.chat_template: %w", err)
	}
	return b, nil
}

// ended is the tokenizer by which generated texts end with the tokens that turns end with,
// and a note of those that did not before.
func (b *chatBuilder) ended(tok *tokenizer.Tokenizer) (_ *tokenizer.Tokenizer, notes []string, err error) {
	for _, id := range slices.Sorted(maps.Keys(b.report.Ends)) {
		if tok.Special().Ends(id) {
			continue
		}
		if tok, err = tok.Ending(id); err != nil {
			return nil, nil, err
		}
		notes = append(notes, fmt.Sprintf("data: turns of the assistant end with %s (%d): it ends generated texts too from now on", tok.Token(id), id))
	}
	return tok, notes, nil
}
