package huggingface

import (
	"bytes"
	"fmt"
)

// normalStep changes text before it is cut in words; a text that goes on from an
// earlier part has no beginning.
type normalStep func(text []byte, continued bool) []byte

// normalizer changes what stands between added tokens.
type normalizer struct {
	steps    []normalStep
	prefix   bool // it puts a blank before the text
	cuttable bool // it does the same to parts cut at a blank between letters
}

func newNormalizer(j *Stage) (normalizer, error) {
	n := normalizer{cuttable: true}
	if j == nil {
		return n, nil
	}
	err := n.add(j)
	return n, err
}

func (n *normalizer) add(j *Stage) error {
	switch {
	case j.Type == "Sequence":
		for i := range j.Normalizers {
			if err := n.add(&j.Normalizers[i]); err != nil {
				return err
			}
		}
	case j.Type == "NFC":
		n.steps = append(n.steps, func(text []byte, _ bool) []byte { return nfc(text) })
	case j.Type == "Prepend":
		n.prefix = n.prefix || j.Prepend == blankPiece
		n.cuttable = n.cuttable && j.Prepend == blankPiece
		n.steps = append(n.steps, prepend(j.Prepend))
	case j.Type == "Replace" && j.Pattern != nil && j.Pattern.String != nil && *j.Pattern.String != "" && j.Content != nil:
		from, to := *j.Pattern.String, *j.Content
		n.cuttable = n.cuttable && from == " " && to == blankPiece
		n.steps = append(n.steps, func(text []byte, _ bool) []byte {
			return bytes.ReplaceAll(text, []byte(from), []byte(to))
		})
	default:
		return fmt.Errorf("%w: normalizer %s", ErrKind, j.Type)
	}
	return nil
}

func prepend(what string) normalStep {
	return func(text []byte, continued bool) []byte {
		if continued || len(text) == 0 {
			return text
		}
		return append([]byte(what), text...)
	}
}

func (n *normalizer) apply(text []byte, continued bool) []byte {
	for _, step := range n.steps {
		text = step(text, continued)
	}
	return text
}
