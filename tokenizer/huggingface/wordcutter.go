package huggingface

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"mobilellm/tokenizer/internal/pattern"
	"mobilellm/tokenizer/internal/words"
)

// blankBegins are patterns of which it is known that a blank between two ASCII
// letters begins a word, whatever stands around: GPT-2's, Llama 3's, Qwen's and
// the two of GPT-4 and GPT-4o. A text of others is not cut.
var blankBegins = []string{
	words.GPT2, words.Llama3, words.Qwen2,
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
}

// cutStage cuts a text in words.
type cutStage func(text []byte, yield func(word []byte))

// wordCutter cuts text in the words that are merged one by one.
type wordCutter struct {
	stages   []cutStage
	cuttable bool // a blank between letters always begins a word
}

func newWordCutter(p *Stage) (wordCutter, error) {
	c := wordCutter{}
	if p == nil {
		return c, fmt.Errorf("%w: no pre_tokenizer ByteLevel", ErrKind)
	}
	level, err := c.add(p)
	if err == nil && !level {
		err = fmt.Errorf("%w: no pre_tokenizer ByteLevel", ErrKind)
	}
	return c, err
}

// add adds the stages of a pre-tokenizer and says whether it ended with
// ByteLevel.
func (c *wordCutter) add(p *Stage) (byteLevel bool, err error) {
	bad := func(format string, args ...any) (bool, error) {
		return false, fmt.Errorf("%w: pre_tokenizer %s", ErrKind, fmt.Sprintf(format, args...))
	}
	switch p.Type {
	case "Sequence":
		for _, inner := range p.Pretokenizers {
			if byteLevel {
				return bad("%s after ByteLevel", inner.Type)
			}
			if byteLevel, err = c.add(&inner); err != nil {
				return false, err
			}
		}
		return byteLevel, nil
	case "Split":
		if p.Behavior != "Isolated" || isTrue(p.Invert) {
			return bad("Split with behavior %q, invert %v", p.Behavior, isTrue(p.Invert))
		}
		expression := ""
		switch {
		case p.Pattern == nil:
			return bad("Split without a pattern")
		case p.Pattern.Regex != nil:
			expression = *p.Pattern.Regex
		case p.Pattern.String != nil:
			expression = regexp.QuoteMeta(*p.Pattern.String)
		}
		return false, c.addPattern(expression)
	case "Digits":
		if p.IndividualDigits {
			return false, c.addPattern(`\p{N}`)
		}
		return false, c.addPattern(`\p{N}+`)
	case "ByteLevel": // its options are on where the file does not turn them off
		if unlessFalse(p.AddPrefixSpace) {
			c.stages = append(c.stages, prefixSpace)
			c.cuttable = false
			if unlessFalse(p.UseRegex) {
				err = c.addPattern(words.GPT2)
				c.cuttable = false
			}
			return true, err
		}
		if unlessFalse(p.UseRegex) {
			err = c.addPattern(words.GPT2)
		}
		return true, err
	}
	return bad("%q", p.Type)
}

// addPattern adds a stage that cuts out the matches of an expression.
func (c *wordCutter) addPattern(expression string) error {
	c.cuttable = len(c.stages) == 0 && slices.Contains(blankBegins, expression)
	if next := words.Scanner(expression); next != nil {
		c.stages = append(c.stages, func(text []byte, yield func([]byte)) {
			for len(text) > 0 {
				n := next(text)
				yield(text[:n])
				text = text[n:]
			}
		})
		return nil
	}
	p, err := pattern.Compile(expression)
	if err != nil {
		return fmt.Errorf("%w: pre_tokenizer Split: %w", ErrKind, err)
	}
	c.stages = append(c.stages, func(text []byte, yield func([]byte)) {
		from := 0
		p.All(text, func(start, end int) {
			if end == start { // an empty match cuts nothing
				return
			}
			if start > from {
				yield(text[from:start])
			}
			yield(text[start:end])
			from = end
		})
		if from < len(text) {
			yield(text[from:])
		}
	})
	return nil
}

// prefixSpace puts a blank before a word that has none.
func prefixSpace(text []byte, yield func([]byte)) {
	if !bytes.HasPrefix(text, []byte(" ")) {
		text = append([]byte(" "), text...)
	}
	yield(text)
}

// words calls yield with the words of text.
func (c *wordCutter) words(text []byte, yield func([]byte)) {
	if len(text) > 0 {
		c.from(0, text, yield)
	}
}

func (c *wordCutter) from(stage int, text []byte, yield func([]byte)) {
	if stage == len(c.stages) {
		yield(text)
		return
	}
	c.stages[stage](text, func(word []byte) { c.from(stage+1, word, yield) })
}
