package data

import (
	"fmt"

	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// Start is what opens each document (data.document_start).
type Start string

// The values of data.document_start.
const (
	StartAuto Start = "auto" // BOS where the tokenizer has one of its own, EOS otherwise
	StartBOS  Start = "bos"
	StartEOS  Start = "eos"
	// StartOld is the rule of runs that were begun before there was a choice: an EOS
	// before the first document and one behind each, the texts of special tokens
	// parsed, and held-out tokens cut off the end of token shards. A document begins
	// behind the EOS before it, which a document mask hides from it.
	StartOld Start = ""
)

func (s Start) validate() error {
	switch s {
	case StartAuto, StartBOS, StartEOS, StartOld:
		return nil
	}
	return fmt.Errorf("data.document_start %q: want auto, bos or eos", string(s))
}

// old says whether a run follows the rules of before data.document_start.
func (c Config) old() bool { return c.DocumentStart == StartOld }

// parses says whether the texts of special tokens stand for them. By the old rules
// they did but in SentencePiece's models.
func (c Config) parses(tok *tokenizer.Tokenizer) bool {
	if c.old() {
		return !tok.IsSentencePiece()
	}
	return c.ParseSpecial
}

// Opened is the tokenizer with what opens documents by a policy: a token that its
// saved files name, so that every program begins a prompt as documents begin.
// Without BOS and EOS nothing opens them.
func Opened(tok *tokenizer.Tokenizer, policy Start) (*tokenizer.Tokenizer, error) {
	s := tok.Special()
	end, hasEnd := s.End()
	switch {
	case policy == StartBOS && s.BOS == tokenizer.None:
		return nil, fmt.Errorf("data.document_start is bos, and the tokenizer has no BOS\nhint: --set data.document_start=eos")
	case policy == StartEOS && !hasEnd:
		return nil, fmt.Errorf("data.document_start is eos, and the tokenizer has no EOS\nhint: name one in eos_token of its tokenizer_config.json")
	case policy == StartBOS, policy == StartAuto && (s.OwnBOS() || !hasEnd):
		return opened(tok, s.BOS)
	case hasEnd:
		return opened(tok, end)
	}
	return opened(tok, tokenizer.None)
}

func opened(tok *tokenizer.Tokenizer, start int32) (*tokenizer.Tokenizer, error) {
	other, err := tok.StartingWith(start)
	if err != nil {
		return nil, fmt.Errorf("data.document_start: %w", err)
	}
	return other, nil
}

// opened is the tokenizer as documents of the sources are opened: token shards say
// by what theirs are, and text follows them.
func (c Config) opened(tok *tokenizer.Tokenizer, sources tokenSources) (*tokenizer.Tokenizer, error) {
	if c.old() {
		if same, err := Opened(tok, StartEOS); err == nil {
			return same, nil
		}
		return tok, nil // no EOS, or no place to say it
	}
	chosen, err := Opened(tok, c.DocumentStart)
	if err != nil {
		return nil, err
	}
	first := ""
	for _, path := range sources.shardPaths() {
		info, err := shard.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		start := info.Start()
		switch {
		case start == chosen.Special().Start:
		case first == "" && c.DocumentStart == StartAuto:
			if chosen, err = opened(tok, start); err != nil {
				return nil, err
			}
		case first == "":
			return nil, fmt.Errorf("data: the documents of shard %s are opened by token %d, data.document_start is %s, which is token %d\nhint: make shards anew with mobilellm-data tokenize --document-start %s", path, start, c.DocumentStart, chosen.Special().Start, c.DocumentStart)
		default:
			return nil, fmt.Errorf("data: the documents of shard %s are opened by token %d, those of %s by token %d\nhint: make both with the same --document-start", path, start, first, chosen.Special().Start)
		}
		first = path
	}
	return chosen, nil
}
