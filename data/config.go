package data

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"mobilellm/data/conversation"
)

// Kinds of tokenizer that are not paths.
const (
	TokenizerBytes = "bytes"
	TokenizerTrain = "train"
)

// TextField is the field of JSON and the column of parquet files that is the text
// unless another is named.
const TextField = "text"

// Config is the `data:` section of a run.
type Config struct {
	Train             Sources           `yaml:"train" help:"Text to train on: files, folders (read recursively), globs, .gz, .bz2, .zst, .jsonl, .json, .parquet, token shards, or go-source; a path, or a list of paths or {path, weight, kind}."`
	Heldout           Sources           `yaml:"heldout" help:"Text to evaluate on; when left out, documents of the training text, or the end of a large one, are set aside."`
	Kind              conversation.Kind `yaml:"kind" help:"What the records of sources without a kind of their own are: text, chat (conversations, of which the model learns what the assistant says) or prompt_completion (of which it learns the completion)."`
	ChatTemplate      string            `yaml:"chat_template" help:"Template of conversations: alpaca, chatml, llama-2, vicuna or a Jinja file; stored with the model. Empty is the tokenizer's own."`
	AddTokens         []string          `yaml:"add_tokens" help:"Special tokens that the tokenizer gets where it lacks them, such as <|im_start|> and <|im_end|>; with --init the model gets rows for them."`
	Field             string            `yaml:"field" help:"Field of JSON objects that holds the text; a name with dots goes down into objects."`
	Column            string            `yaml:"column" help:"Column of parquet files that holds the text."`
	DocumentSeparator string            `yaml:"document_separator" help:"Text between the documents of one file, such as <|endoftext|>; the line breaks beside it go with it."`
	HeldoutFraction   float64           `yaml:"heldout_fraction" help:"Share of the training text's bytes, at most 16 MB, that is set aside where heldout names none."`
	HeldoutTokens     int64             `yaml:"heldout_tokens" help:"Tokens of held-out text scored in one evaluation, in windows spread evenly over it; 0 scores all."`
	Tokenizer         string            `yaml:"tokenizer" help:"A folder of a model or a run, a GGUF file, tokenizer.model or tokenizer.json, bytes for one id a byte, or train to learn a BPE of model.vocab_size from the training text."`
	DocumentStart     Start             `yaml:"document_start" help:"What opens each document: bos, eos, or auto, which takes BOS where the tokenizer has one of its own and EOS otherwise. Empty is the rule of runs before this key: one EOS before all text."`
	ParseSpecial      bool              `yaml:"parse_special" help:"Texts of special tokens inside the text, such as <|endoftext|>, become those tokens; otherwise they are text like any other."`
	Seq               int               `yaml:"seq" help:"Tokens in a training sample."`
	Stages            Stages            `yaml:"stages" help:"Mixtures that follow each other: a list of {after_tokens, weights}, the weights in the order of data.train."`
	Packing           Packing           `yaml:"packing" help:"stream cuts samples from all text as it follows each other, documents fills them with whole documents."`
	DocumentMask      bool              `yaml:"document_mask" help:"Attention does not cross from one document to the next, in training and scoring."`
}

// DefaultConfig trains a tokenizer and a model on the Go source tree.
func DefaultConfig() Config {
	return Config{
		Train:           Sources{{Path: GoSourceName, Weight: 1}},
		Field:           TextField,
		Column:          TextField,
		Kind:            conversation.Text,
		HeldoutFraction: 0.05,
		HeldoutTokens:   1 << 18,
		Tokenizer:       TokenizerTrain,
		DocumentStart:   StartAuto,
		Seq:             2048,
		Packing:         PackStream,
	}
}

// Validate reports the first field that no run can use.
func (c Config) Validate() error {
	switch {
	case len(c.Train) == 0:
		return fmt.Errorf("data.train is empty\nhint: name text with --data PATH, or use %s", GoSourceName)
	case c.Seq < 1:
		return fmt.Errorf("data.seq (%d) must be at least 1", c.Seq)
	case c.Tokenizer == "":
		return fmt.Errorf("data.tokenizer is empty: want a path, %q or %q", TokenizerBytes, TokenizerTrain)
	case !(c.HeldoutFraction > 0 && c.HeldoutFraction < 1):
		return fmt.Errorf("data.heldout_fraction (%g) must lie between 0 and 1", c.HeldoutFraction)
	case c.HeldoutTokens < 0:
		return fmt.Errorf("data.heldout_tokens (%d) must not be negative", c.HeldoutTokens)
	}
	for i, s := range c.Train {
		if s.Path == "" {
			return fmt.Errorf("data.train[%d] has no path", i)
		}
		if !(s.Weight >= 0) || math.IsInf(s.Weight, 0) {
			return fmt.Errorf("data.train[%d] (%s): weight %g must be a number of 0 or more", i, s.Path, s.Weight)
		}
		if err := c.checkKind(s); err != nil {
			return fmt.Errorf("data.train[%d] (%s): %w", i, s.Path, err)
		}
	}
	for i, s := range c.Heldout {
		if s.Path == "" {
			return fmt.Errorf("data.heldout[%d] is empty", i)
		}
		if s.Weight != 1 {
			return fmt.Errorf("data.heldout[%d] (%s): weight %g: held-out text has none", i, s.Path, s.Weight)
		}
		if err := c.checkKind(s); err != nil {
			return fmt.Errorf("data.heldout[%d] (%s): %w", i, s.Path, err)
		}
	}
	if _, err := conversation.ParseKind(string(c.Kind)); err != nil {
		return fmt.Errorf("data.%w", err)
	}
	if err := c.DocumentStart.validate(); err != nil {
		return err
	}
	switch {
	case c.Packing != "" && c.Packing != PackStream && c.Packing != PackDocuments:
		return fmt.Errorf("data.packing %q: want %s or %s", c.Packing, PackStream, PackDocuments)
	}
	if _, sum := c.weights(); sum == 0 && len(c.Stages) > 0 && c.Stages[0].AfterTokens > 0 {
		return fmt.Errorf("data.train: all weights are 0 before data.stages[0] begins")
	}
	return c.Stages.validate(len(c.Train))
}

// kind is what the records of a source are; the Go tree is text.
func (c Config) kind(s Source) conversation.Kind {
	if s.Path == GoSourceName {
		return conversation.Text
	}
	return cmp.Or(s.Kind, c.Kind, conversation.Text)
}

func (c Config) checkKind(s Source) error {
	if _, err := conversation.ParseKind(string(s.Kind)); err != nil {
		return err
	}
	if s.Path == GoSourceName && cmp.Or(s.Kind, conversation.Text) != conversation.Text {
		return fmt.Errorf("kind %s: %s is text", s.Kind, GoSourceName)
	}
	return nil
}

// Converses says whether some source is of conversations, or of prompts with completions.
func (c Config) Converses() bool {
	return c.Has(conversation.Chat) || c.Has(conversation.PromptCompletion)
}

// Has says whether some source is of a kind.
func (c Config) Has(kind conversation.Kind) bool {
	return slices.ContainsFunc(slices.Concat(c.Train, c.Heldout), func(s Source) bool { return c.kind(s) == kind })
}
