package huggingface

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
	"mobilellm/tokenizer/internal/pattern"
	"mobilellm/tokenizer/internal/words"
)

// preTokenizer cuts text in the words that the model makes ids of, one by one.
type preTokenizer struct {
	stages []cutStage
	// bytes says that words are bytes: ByteLevel came last, whose alphabet the model
	// knows as bytes. What comes behind ByteLevel sees the alphabet.
	bytes    bool
	level    bool // there is a ByteLevel
	prefixed bool // a blank is put before a text
	cuttable bool // a blank between ASCII letters begins a word, whatever stands around
}

// blankBegins are expressions of which it is known that a blank between two ASCII letters
// begins a word, whatever stands around: GPT-2's, Llama 3's, Qwen's and the two of GPT-4
// and GPT-4o. A text of others is not cut.
var blankBegins = []string{
	words.GPT2, words.Llama3, words.Qwen2,
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
}

// maxStages bounds the stages, each of which goes over the whole text; DeepSeek's has 5.
const maxStages = 64

func newPreTokenizer(s *Stage) (*preTokenizer, error) {
	p := &preTokenizer{}
	all := sequence(s, pretokenizersOf)
	if len(all) > maxStages {
		return nil, fmt.Errorf("pre_tokenizer: %w: %d stages, more than %d", ErrKind, len(all), maxStages)
	}
	for i := range all {
		if err := p.add(&all[i], i == len(all)-1); err != nil {
			return nil, fmt.Errorf("pre_tokenizer %s: %w", all[i].Type, err)
		}
	}
	if len(all) == 1 || len(all) == 2 && all[1].Type == "ByteLevel" {
		p.cuttable = blankBeginsWord(all)
	}
	return p, nil
}

// blankBeginsWord says so of a stage, or of one before a ByteLevel that cuts nothing.
func blankBeginsWord(all []Stage) bool {
	first, last := &all[0], &all[len(all)-1]
	if last.Type == "ByteLevel" && unlessFalse(last.AddPrefixSpace) {
		return false
	}
	switch {
	case first.Type == "Metaspace":
		return len(all) == 1 && unlessFalse(first.Split)
	case len(all) == 1:
		return first.Type == "ByteLevel" && unlessFalse(first.UseRegex)
	}
	return first.Type == "Split" && first.Pattern != nil && first.Pattern.Regex != nil && first.Behavior == "Isolated" &&
		slices.Contains(blankBegins, *first.Pattern.Regex) && !unlessFalse(last.UseRegex)
}

func (p *preTokenizer) add(s *Stage, last bool) error {
	switch s.Type {
	case "ByteLevel": // its options are on where the file does not turn them off
		if unlessFalse(s.AddPrefixSpace) {
			p.stages = append(p.stages, prefixSpace)
		}
		if unlessFalse(s.UseRegex) {
			p.stages = append(p.stages, scanned(words.Scanner(words.GPT2)))
		}
		p.level = true
		if p.bytes = last; !last {
			p.stages = append(p.stages, printable)
		}
		return nil
	case "Metaspace":
		stage, err := p.metaspace(s)
		p.stages = append(p.stages, stage)
		return err
	case "Split":
		if s.Pattern != nil && s.Pattern.Regex != nil && s.Behavior == "Isolated" {
			if next := words.Scanner(*s.Pattern.Regex); next != nil {
				p.stages = append(p.stages, scanned(next))
				return nil
			}
		}
		find, err := s.Pattern.find()
		if err != nil {
			return err
		}
		return p.split(find, s.Behavior, isTrue(s.Invert))
	case "Digits":
		if s.IndividualDigits {
			return p.split(characters{chars.Number()}, "Isolated", false)
		}
		return p.split(characters{chars.Number()}, "Contiguous", false)
	case "Punctuation":
		if s.Behavior == "" {
			return p.split(characters{chars.Punctuation()}, "Isolated", false)
		}
		return p.split(characters{chars.Punctuation()}, s.Behavior, false)
	case "Whitespace":
		return p.split(blanklessRuns{}, "Removed", true)
	case "WhitespaceSplit":
		return p.split(characters{white}, "Removed", false)
	case "CharDelimiterSplit":
		if utf8.RuneCountInString(s.Delimiter) != 1 {
			return fmt.Errorf("%w: delimiter %q", ErrKind, s.Delimiter)
		}
		return p.split(pattern.Literal(s.Delimiter), "Removed", false)
	case "BertPreTokenizer":
		if err := p.split(characters{white}, "Removed", false); err != nil {
			return err
		}
		return p.split(characters{chars.Punctuation()}, "Isolated", false)
	}
	return fmt.Errorf("%w: not known", ErrKind)
}

func (p *preTokenizer) split(find finder, behavior string, invert bool) error {
	stage, err := newSplit(find, behavior, invert)
	p.stages = append(p.stages, stage)
	return err
}

// scanned cuts by a function that returns the length of the first word of a text.
func scanned(next func([]byte) int) cutStage {
	return func(w word, yield func(word)) {
		for from := 0; from < len(w.text); {
			n := next(w.text[from:])
			yield(w.from(from, from+n))
			from += n
		}
	}
}

// prefixSpace puts a blank before a word that has none.
func prefixSpace(w word, yield func(word)) {
	if !bytes.HasPrefix(w.text, []byte(" ")) {
		w.text = append([]byte(" "), w.text...)
	}
	yield(w)
}

// printable writes a word in the byte-level alphabet.
func printable(w word, yield func(word)) {
	yield(word{[]byte(Printable(w.text)), w.opens})
}

// metaspace writes blanks as a character of its own, may put one before the text, and
// lets it begin words.
func (p *preTokenizer) metaspace(s *Stage) (cutStage, error) {
	if utf8.RuneCountInString(s.Replacement) != 1 {
		return nil, fmt.Errorf("%w: replacement %q", ErrKind, s.Replacement)
	}
	scheme, err := s.prependScheme()
	if err != nil {
		return nil, err
	}
	p.prefixed = p.prefixed || scheme != "never"
	blank, split := []byte(s.Replacement), unlessFalse(s.Split)
	return func(w word, yield func(word)) {
		w.text = bytes.ReplaceAll(w.text, []byte(" "), blank)
		if (scheme == "always" || scheme == "first" && w.opens) && !bytes.HasPrefix(w.text, blank) {
			w.text = append(blank[:len(blank):len(blank)], w.text...)
		}
		from := 0
		for split {
			at := bytes.Index(w.text[min(from+1, len(w.text)):], blank)
			if at < 0 {
				break
			}
			yield(w.from(from, from+1+at))
			from += 1 + at
		}
		yield(w.from(from, len(w.text)))
	}, nil
}

// prependScheme says when Metaspace puts a blank before a text: "always", "first" (before
// the whole text only) or "never". Files of before 2024 have add_prefix_space instead.
func (s *Stage) prependScheme() (string, error) {
	scheme := s.PrependScheme
	if scheme == "" {
		scheme = "always"
		if s.AddPrefixSpace != nil && !*s.AddPrefixSpace {
			scheme = "never"
		}
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return "", fmt.Errorf("%w: prepend_scheme %q", ErrKind, scheme)
	}
	if scheme != "never" && s.AddPrefixSpace != nil && !*s.AddPrefixSpace {
		return "", fmt.Errorf("%w: prepend_scheme %q without add_prefix_space", ErrKind, scheme)
	}
	return scheme, nil
}

// words calls yield with the words of a text.
func (p *preTokenizer) words(w word, yield func([]byte)) {
	if len(w.text) > 0 {
		p.from(0, w, yield)
	}
}

func (p *preTokenizer) from(stage int, w word, yield func([]byte)) {
	if stage == len(p.stages) {
		yield(w.text)
		return
	}
	p.stages[stage](w, func(w word) { p.from(stage+1, w, yield) })
}
