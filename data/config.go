package data

import (
	"fmt"
	"math"
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
	Train             Sources `yaml:"train" help:"Text to train on: files, folders (read recursively), globs, .gz, .bz2, .zst, .jsonl, .json, .parquet, token shards, or go-source; a path, or a list of paths or {path, weight}."`
	Heldout           Paths   `yaml:"heldout" help:"Text to evaluate on; when left out, documents of the training text, or the end of a large one, are set aside."`
	Field             string  `yaml:"field" help:"Field of JSON objects that holds the text; a name with dots goes down into objects."`
	Column            string  `yaml:"column" help:"Column of parquet files that holds the text."`
	DocumentSeparator string  `yaml:"document_separator" help:"Text between the documents of one file, such as <|endoftext|>; the line breaks beside it go with it."`
	HeldoutFraction   float64 `yaml:"heldout_fraction" help:"Share of the training text's bytes, at most 16 MB, that is set aside where heldout names none."`
	HeldoutTokens     int64   `yaml:"heldout_tokens" help:"Tokens of held-out text scored in one evaluation, in windows spread evenly over it; 0 scores all."`
	Tokenizer         string  `yaml:"tokenizer" help:"A folder of a model or a run, a GGUF file, tokenizer.model or tokenizer.json, bytes for one id a byte, or train to learn a BPE of model.vocab_size from the training text."`
	DocumentStart     Start   `yaml:"document_start" help:"What opens each document: bos, eos, or auto, which takes BOS where the tokenizer has one of its own and EOS otherwise. Empty is the rule of runs before this key: one EOS before all text."`
	ParseSpecial      bool    `yaml:"parse_special" help:"Texts of special tokens inside the text, such as <|endoftext|>, become those tokens; otherwise they are text like any other."`
	Seq               int     `yaml:"seq" help:"Tokens in a training sample."`
	Stages            Stages  `yaml:"stages" help:"Mixtures that follow each other: a list of {after_tokens, weights}, the weights in the order of data.train."`
	Packing           Packing `yaml:"packing" help:"stream cuts samples from all text as it follows each other, documents fills them with whole documents."`
	DocumentMask      bool    `yaml:"document_mask" help:"Attention does not cross from one document to the next, in training and scoring."`
}

// DefaultConfig trains a tokenizer and a model on the Go source tree.
func DefaultConfig() Config {
	return Config{
		Train:           Sources{{Path: GoSourceName, Weight: 1}},
		Field:           TextField,
		Column:          TextField,
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
	}
	for i, path := range c.Heldout {
		if path == "" {
			return fmt.Errorf("data.heldout[%d] is empty", i)
		}
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
