package data

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/bpe"
)

// Set is everything a run needs of the data: a tokenizer and two corpora.
type Set struct {
	Tokenizer *tokenizer.Tokenizer
	Train     *TokenCorpus
	Heldout   *TokenCorpus
	Read      ReadReport
	Trained   *bpe.Report // nil where no tokenizer was trained
	Notes     []string    // sentences for the user
	Chat      ChatReport  // of conversations
	Added     []int32     // ids of data.add_tokens that the tokenizer lacked

	aside *heldDocuments // tokens that must not be trained on
	tails int            // held-out documents that are ends of others
}

// LoadOptions are what Load needs beside the `data:` section.
type LoadOptions struct {
	// Tokenizer, when not nil, is used whatever the section says: a resumed
	// run brings the one of its checkpoint.
	Tokenizer *tokenizer.Tokenizer
	// Resumed says that the tokenizer has the template and the tokens of the section.
	Resumed bool
	// Vocab is the model's number of ids (model.vocab_size): a tokenizer that is
	// trained shall have as many, no other may have more. 0 is any number.
	Vocab int
	// LeaveOut are folders that are not text where they lie in a source, such as the
	// run's own.
	LeaveOut []string
	// MaxText is how many bytes of text memory has room for, 0 for any number.
	MaxText int64
	// Progress, when not nil, hears of the stages "tokenizer" (done and total
	// in ids) and "encode" (in bytes of training text).
	Progress func(stage string, done, total int64)
}

func (o LoadOptions) encodeProgress() func(done, total int64) {
	return func(done, total int64) { o.Progress("encode", done, total) }
}

// fits is an error where the model has no row for some of the tokenizer's ids.
func (o LoadOptions) fits(tok *tokenizer.Tokenizer, config Config) error {
	got, have := tok.VocabSize(), o.Vocab
	if have == 0 || got <= have {
		return nil
	}
	return fmt.Errorf("the tokenizer of data.tokenizer (%s) has %d ids, more than model.vocab_size (%d)\nhint: --set model.vocab_size=%d", config.Tokenizer, got, have, got)
}

// texts are those of documents.
func texts(docs []Document) [][]byte {
	all := make([][]byte, len(docs))
	for i, d := range docs {
		all[i] = d.Text
	}
	return all
}

// Load reads the text of a configuration, splits it, finds or trains the
// tokenizer and encodes both sides. Equal text and configuration give equal
// corpora.
func Load(ctx context.Context, config Config, options LoadOptions) (*Set, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	set := new(Set)
	if options.Progress == nil {
		options.Progress = func(string, int64, int64) {}
	}
	sources, err := findTokens(config) // a wrong path is told before any text is read
	if err != nil {
		return nil, err
	}
	tok, err := chosenTokenizer(config, options, sources)
	if err != nil {
		return nil, err
	}
	if tok != nil {
		if tok, set.Added, err = config.extended(tok, options.Resumed); err != nil {
			return nil, err
		}
		if err := options.fits(tok, config); err != nil {
			return nil, err
		}
		if tok, err = config.opened(tok, sources); err != nil {
			return nil, err
		}
	}
	if tok != nil && (sources.any() || config.mixes() || config.Converses()) {
		return loaded(set, set.loadTokens(ctx, config, options, tok, sources))
	}
	if config.Converses() {
		return nil, errors.New("data: conversations need a tokenizer that was not learned from them\nhint: name one in data.tokenizer, or a model with --init")
	}
	text, err := set.readText(ctx, config, config.reading(options))
	if err != nil {
		return nil, err
	}
	set.Notes = append(set.Notes, set.Read.Notes()...)
	if tok == nil {
		learnt, report, err := bpe.Train(ctx, texts(text.Train), options.Vocab, func(done, total int) {
			options.Progress("tokenizer", int64(done), int64(total))
		})
		if err == nil {
			tok, err = config.opened(learnt, sources)
		}
		if err != nil {
			return nil, err
		}
		set.Trained = &report
		set.Notes = append(set.Notes, report.Notes...)
	}
	set.Tokenizer = tok
	if config.mixes() {
		set.Read, set.Notes = ReadReport{}, slices.Clone(set.Trained.Notes)
		return loaded(set, set.loadTokens(ctx, config, options, tok, sources))
	}
	encoding := config.encoding(tok)
	encoding.Progress = options.encodeProgress()
	set.Train, err = BuildCorpus(ctx, text.Train, encoding)
	if err != nil {
		return nil, err
	}
	set.Heldout, err = BuildCorpus(ctx, text.Heldout, config.encoding(tok))
	if err != nil {
		return nil, fmt.Errorf("held-out text: %w", err)
	}
	return loaded(set, set.checkLength(config))
}

// loaded is the set, or the error.
func loaded(set *Set, err error) (*Set, error) {
	if err != nil {
		return nil, err
	}
	return set, nil
}

// checkLength makes sure that there is a sample.
func (set *Set) checkLength(config Config) error {
	order, err := newOrder(set.Train, LoaderConfig{Seq: config.Seq, Packing: config.Packing})
	if err != nil {
		return err
	}
	order.span(0)
	return nil
}

// chosenTokenizer is nil where one is to be trained.
func chosenTokenizer(config Config, options LoadOptions, sources tokenSources) (*tokenizer.Tokenizer, error) {
	switch {
	case options.Tokenizer != nil:
		return options.Tokenizer, nil
	case config.Tokenizer == TokenizerBytes:
		return tokenizer.Bytes(), nil
	case config.Tokenizer == TokenizerTrain && sources.any():
		return sources.tokenizer()
	case config.Tokenizer == TokenizerTrain:
		return nil, nil
	}
	return tokenizer.Load(config.Tokenizer)
}

// readText reads both sides of the text.
func (set *Set) readText(ctx context.Context, config Config, how Reading) (text Split, err error) {
	var train, whole []Document // of the Go tree, which brings its own held-out side
	var others []Source
	for _, s := range config.Train {
		if s.Path != GoSourceName {
			others = append(others, s)
			continue
		}
		goTrain, goHeldout, err := GoSource(ctx)
		if err != nil {
			return text, err
		}
		train, whole = append(train, goTrain...), append(whole, goHeldout...)
		set.Read.Files += len(goTrain) + len(goHeldout)
	}
	docs, report, err := ReadSources(ctx, others, how)
	if err != nil {
		return text, err
	}
	set.Read.add(report)

	switch {
	case len(config.Heldout) > 0:
		train = append(append(train, whole...), docs...)
		text.Train, text.Heldout, err = set.readHeldout(ctx, config, train, how)
	case len(docs) == 0:
		text.Train, text.Heldout = train, whole
	default:
		text, err = config.rule().splitText(docs, config.HeldoutFraction)
		if err == nil {
			set.Notes = append(set.Notes, text.note(TextBytes(docs)))
		}
		text.Train, text.Heldout = append(train, text.Train...), append(whole, text.Heldout...)
	}
	if err != nil {
		return text, err
	}
	if len(config.Heldout) == 0 {
		one := []Split{text}
		set.noteCopies(config.rule().separateTexts(one))
		text = one[0]
	}
	if len(text.Train) == 0 {
		return text, errNoTraining
	}
	set.Read.Documents = len(text.Train) + len(text.Heldout) - text.tails()
	set.Read.Bytes = TextBytes(text.Train) + TextBytes(text.Heldout)
	return text, nil
}

var errNoTraining = errors.New("data: no training text is left beside the held-out text\nhint: data.heldout names all of data.train")

// noteCopies says how many documents were left out as copies of held-out text.
func (set *Set) noteCopies(shared int) {
	if shared > 0 {
		set.Notes = append(set.Notes, fmt.Sprintf("data: %d documents are copies of held-out text and are not trained on", shared))
	}
}

// readHeldout reads the held-out paths and takes from train what they share.
func (set *Set) readHeldout(ctx context.Context, config Config, train []Document, how Reading) (rest, heldout []Document, err error) {
	var sources []Source
	for _, s := range config.Heldout {
		if s.Path == GoSourceName {
			_, goHeldout, err := GoSource(ctx)
			if err != nil {
				return nil, nil, err
			}
			heldout = append(heldout, goHeldout...)
			continue
		}
		sources = append(sources, s)
	}
	docs, report, err := ReadSources(ctx, sources, how)
	if err != nil {
		return nil, nil, fmt.Errorf("held-out text: %w", err)
	}
	set.Read.add(report)
	heldout = append(heldout, docs...)
	rest, shared := config.rule().without(train, heldout)
	if shared > 0 {
		set.Notes = append(set.Notes, fmt.Sprintf("data: %d documents of data.train are also in data.heldout and are not trained on", shared))
	}
	return rest, heldout, nil
}
