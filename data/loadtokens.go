package data

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
)

// loadTokens fills the set from sources of which some are tokens already, or that have
// weights.
func (set *Set) loadTokens(ctx context.Context, config Config, options LoadOptions, tok *tokenizer.Tokenizer, sources tokenSources) (err error) {
	set.Tokenizer, set.aside = tok, newHeldDocuments(edgesOf(tok))
	set.Train, set.Heldout = newTokenCorpus(tok), newTokenCorpus(tok)
	defer func() {
		if err != nil {
			set.Train.Close()
			set.Heldout.Close()
		}
	}()
	chats, err := config.newChatBuilder(tok, &set.Read)
	if err != nil {
		return err
	}
	var named []Document
	var held heldParts
	talks := make([]Split, len(sources.train)) // of sources of conversations
	for _, s := range sources.heldout {
		before := set.Heldout.Len()
		if s.converses() {
			docs, report, err := ReadSources(ctx, []Source{s.Source}, config.readingOf(s.Source, options))
			set.Read.add(report)
			if err == nil {
				err = chats.addTo(ctx, set.Heldout, s, docs)
			}
			if err != nil {
				return fmt.Errorf("held-out text: %w", err)
			}
			named = append(named, docs...)
			held.add(s.Path, before, set.Heldout.Len())
			continue
		}
		docs, report, err := set.Heldout.load(ctx, config.encoding(tok), s, config.reading(options))
		set.Read.add(report)
		if err != nil {
			return fmt.Errorf("held-out text: %w", err)
		}
		named = append(named, docs...)
		held.add(s.Path, before, set.Heldout.Len())
	}
	texts, err := set.readSources(ctx, config, sources, named, options)
	if err != nil {
		return err
	}
	var parts []part
	for i, s := range sources.train {
		from, before := set.Train.Len(), set.Heldout.Len()
		switch {
		case s.converses():
			talks[i] = texts[i]
			continue
		case s.tokens():
			err = set.addTokens(ctx, config, options, s)
		default:
			err = set.addText(ctx, config, options, s.Path, texts[i], sources.any())
		}
		if err != nil {
			return err
		}
		parts = append(parts, part{s.Path, from, set.Train.Len()})
		held.add(s.Path, before, set.Heldout.Len())
	}
	parts = config.rule().separateTokens(set, parts)
	if parts, err = set.addConversations(ctx, chats, sources.train, talks, parts, &held); err != nil {
		return err
	}
	if err := set.checkSides(parts); err != nil {
		return err
	}
	set.Train.seal(tok)
	set.Heldout.seal(tok)
	set.Read.Documents = len(set.Train.docs) + len(set.Heldout.docs) - set.tails
	set.Read.Bytes = set.Train.textBytes + set.Heldout.textBytes
	set.Notes = append(set.Notes, set.Read.Notes()...)
	if config.MeasuresSources() {
		set.Heldout.parts = held
	}
	switch {
	case config.mixes():
		set.Train.mix(config, parts)
	case config.Converses():
		set.Train.parts = parts
	}
	return set.checkLength(config)
}

// addTo adds conversations to a corpus.
func (b *chatBuilder) addTo(ctx context.Context, m *TokenCorpus, s tokenSource, docs []Document) error {
	corpus, err := b.build(ctx, s.Path, s.kind, docs)
	if err == nil {
		m.addCorpus(corpus)
	}
	return err
}

// addConversations adds both sides of the sources of conversations, behind all else:
// they are kept apart by their records, and not by their tokens. It returns the parts of
// all sources in their order; texts are those of the others, held the held-out text's.
func (set *Set) addConversations(ctx context.Context, b *chatBuilder, sources []tokenSource, talks []Split, texts []part, held *heldParts) (parts []part, err error) {
	if b.render == nil {
		return texts, nil
	}
	for i, s := range sources {
		if !s.converses() {
			parts, texts = append(parts, texts[0]), texts[1:]
			continue
		}
		if len(talks[i].Train) == 0 {
			return nil, nothingLeft(s.Path)
		}
		from, before := set.Train.Len(), set.Heldout.Len()
		if err := b.addTo(ctx, set.Train, s, talks[i].Train); err != nil {
			return nil, err
		}
		parts = append(parts, part{s.Path, from, set.Train.Len()})
		if len(talks[i].Heldout) > 0 {
			if err := b.addTo(ctx, set.Heldout, s, talks[i].Heldout); err != nil {
				return nil, fmt.Errorf("held-out text: %w", err)
			}
			held.add(s.Path, before, set.Heldout.Len())
		}
	}
	var notes []string
	if set.Tokenizer, notes, err = b.ended(set.Tokenizer); err != nil {
		return nil, err
	}
	set.Chat = b.report
	set.Notes = append(append(set.Notes, b.report.Notes()...), notes...)
	return parts, nil
}

// checkSides makes sure that there is something to train on, of each source, and
// something to score.
func (set *Set) checkSides(parts []part) error {
	for _, p := range parts {
		first, _ := slices.BinarySearch(set.Train.docs, p.from)
		last, _ := slices.BinarySearch(set.Train.docs, p.to)
		if first == last && len(parts) > 1 {
			return nothingLeft(p.name)
		}
	}
	switch {
	case len(set.Train.docs) == 0:
		return errNoTraining
	case set.Heldout.Len() == 0:
		return fmt.Errorf("data: the held-out text holds no tokens")
	}
	return nil
}

func nothingLeft(name string) error {
	return fmt.Errorf("data: nothing of %s is left to train on, as all of it is held out too\nhint: name held-out text of its own in data.heldout", ingest.Clean(name))
}

// readSources reads the sources of text and divides them, where no held-out text is
// named. The split of a source of tokens is empty.
func (set *Set) readSources(ctx context.Context, config Config, sources tokenSources, named []Document, options LoadOptions) ([]Split, error) {
	splits := make([]Split, len(sources.train))
	for i, s := range sources.train {
		if s.tokens() {
			continue
		}
		var text Set
		var err error
		how := config.readingOf(s.Source, options)
		if s.converses() && len(config.Heldout) == 0 {
			splits[i], err = text.readConversations(ctx, config, s.Source, how)
		} else if len(config.Heldout) == 0 {
			one := config
			one.Train = Sources{s.Source}
			splits[i], err = text.readText(ctx, one, how)
		} else {
			splits[i].Train, err = text.readTraining(ctx, config, s.Source, named, how)
		}
		if err != nil {
			return nil, err
		}
		set.Read.add(text.Read)
		set.Notes = append(set.Notes, text.Notes...)
	}
	set.noteCopies(config.rule().separateTexts(splits))
	return splits, nil
}

// readConversations reads a source of conversations and sets some of them aside.
func (set *Set) readConversations(ctx context.Context, config Config, s Source, how Reading) (Split, error) {
	docs, report, err := ReadSources(ctx, []Source{s}, how)
	if err != nil {
		return Split{}, err
	}
	set.Read = report
	split, err := splitConversations(docs, config.HeldoutFraction, s.Path)
	if err == nil {
		set.Notes = append(set.Notes, split.note(TextBytes(docs)))
	}
	return split, err
}

// addText encodes both sides of a source of text; beside says that there are sources of
// tokens, which may hold the document that was cut.
func (set *Set) addText(ctx context.Context, config Config, options LoadOptions, name string, text Split, beside bool) error {
	if len(text.Train) == 0 {
		return nothingLeft(name)
	}
	first := len(set.Train.docs)
	encoding := config.encoding(set.Tokenizer)
	encoding.Progress = options.encodeProgress()
	corpus, err := BuildCorpus(ctx, text.Train, encoding)
	if err != nil {
		return err
	}
	set.Train.addCorpus(corpus)
	if len(text.Heldout) == 0 {
		return nil
	}
	if corpus, err = BuildCorpus(ctx, text.Heldout, config.encoding(set.Tokenizer)); err != nil {
		return err
	}
	set.Heldout.addCorpus(corpus)
	set.tails += text.tails()
	if text.Cut == nil || !beside {
		return nil
	}
	var heads []int
	for i, d := range text.Train {
		if bytes.Equal(d.Text, text.Cut.Text[:text.Kept]) {
			heads = append(heads, first+i)
		}
	}
	return set.aside.addCutText(ctx, config.encoding(set.Tokenizer), text, heads)
}

// addTokens adds a source of tokens to the training side, and where no held-out text is
// named its end to the other.
func (set *Set) addTokens(ctx context.Context, config Config, options LoadOptions, s tokenSource) error {
	before := set.Train.mark()
	_, report, err := set.Train.load(ctx, config.encoding(set.Tokenizer), s, config.reading(options))
	set.Read.add(report)
	if err != nil || len(config.Heldout) > 0 {
		return err
	}
	return config.rule().splitTokens(set, before, config.HeldoutFraction, s.Path)
}

// readTraining reads a source of text without the documents that are held out.
func (set *Set) readTraining(ctx context.Context, config Config, s Source, heldout []Document, how Reading) ([]Document, error) {
	docs, report, err := readText(ctx, s, how)
	if err != nil {
		return nil, err
	}
	set.Read = report
	rest, shared := config.rule().without(docs, heldout)
	if shared > 0 {
		set.Notes = append(set.Notes, fmt.Sprintf("data: %d documents of %s are also in data.heldout and are not trained on", shared, ingest.Clean(s.Path)))
	}
	return rest, nil
}

// readText reads a source of text; of the Go tree the training side.
func readText(ctx context.Context, s Source, how Reading) ([]Document, ReadReport, error) {
	if s.Path == GoSourceName {
		docs, _, err := GoSource(ctx)
		return docs, ReadReport{Files: len(docs)}, err
	}
	return ReadSources(ctx, []Source{s}, how)
}

// mix makes the corpus a mixture of parts.
func (m *TokenCorpus) mix(config Config, parts []part) {
	if len(parts) == 0 {
		return
	}
	m.mixture = config.mixture()
	m.mixture.parts = parts
}

// mixture is the configuration's, its parts yet to be found.
func (c Config) mixture() *mixture {
	mixed := new(mixture)
	if len(c.Stages) == 0 || c.Stages[0].AfterTokens > 0 {
		weights, _ := c.weights()
		mixed.stages = append(mixed.stages, Stage{0, weights})
	}
	mixed.stages = append(mixed.stages, c.Stages...)
	return mixed
}
